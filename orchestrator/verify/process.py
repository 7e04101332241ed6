"""The process that runs the checks: ``python -m orchestrator.verify.process WORKDIR``.

Loads everything that is slow to load, and waits on standard input for the word to begin:
the clinic is out while checks run, not while Python starts. Ends at once, with everything that it
started, when its standard input does: whoever started it is gone.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from orchestrator.verify import checks, plugin
from orchestrator.verify.handover import BEGIN, REQUEST, RESULTS
from orchestrator.verify.model import CheckRequest


def main(workdir: Path) -> NoReturn:
    """Wait for the word, run, and leave without ceremony: the results are in their file."""
    parent = os.dup(0)
    with os.fdopen(parent, "rb", buffering=0) as words:
        if words.readline() != BEGIN:
            os._exit(0)
        threading.Thread(target=_end_with, args=(words,), daemon=True).start()
        code = run(workdir)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def run(workdir: Path) -> int:
    """Run the request in ``workdir``; pytest's exit code."""
    request = CheckRequest.model_validate_json((workdir / REQUEST).read_text("utf-8"))
    own = [str(request.role_checks)] if request.role_checks else []
    plain = ["-c", "/dev/null", "--noconftest", "-p", "no:cacheprovider", "--import-mode=importlib"]
    # No capturing: it would take the place of standard input, which tells us that we are alone.
    # No rewriting of assertions: their words are the evidence, and rewriting takes time.
    quiet = ["-q", "-s", "--assert=plain", "--tb=short", f"--rootdir={workdir}"]
    ours = str(Path(checks.__file__).parent)
    run_of_checks = plugin.Checks(request, workdir / RESULTS)
    return int(pytest.main([*plain, *quiet, ours, *own], plugins=[plugin, run_of_checks]))


def _end_with(words: object) -> None:
    words.read()  # type: ignore[attr-defined]
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

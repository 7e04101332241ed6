"""The command line: ``wardship-bridge serve SETTINGS`` until SIGTERM, ``probe SETTINGS`` once.

``serve`` says what it does on standard error, ``probe`` gives one JSON object. Exit codes: 0 ended
as asked, 1 not (the reason is said), 64 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.wire import mllp

from . import VERSION
from .intake import Intake
from .probe import ask
from .refusal import NotNowError
from .ris import Ris
from .settings import Settings, load
from .worklist import Exporter

#: Seconds between looks where no worklist is exported.
IDLE = 3600.0


def serve(settings: Settings) -> None:
    """Answer messages and export the worklist, until SIGTERM; what is under way is finished."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    intake, listening = None, None
    if settings.hl7 is not None:
        intake = Intake(Ris(settings.ris), settings.hl7, zone=settings.timezone)
        listening = mllp.listen(settings.hl7.port, intake.answer)
        _say(f"HL7 at port {settings.hl7.port}")
    exporter = None
    if settings.worklist is not None:
        exporter = Exporter(Ris(settings.ris), settings, settings.worklist)
    pause = settings.worklist.every_seconds if settings.worklist else IDLE
    said = ""
    while True:
        if exporter is not None:
            told = _exported(exporter)
            if told != said:
                _say(told)
            said = told
        if signal.sigtimedwait({signal.SIGTERM}, pause) is not None:
            break
    if intake is not None and listening is not None:
        listening.shutdown()
        intake.settled()


def _exported(exporter: Exporter) -> str:
    try:
        told = f"{exporter.export()} entries on the worklist"
        if shared := exporter.shared:
            told += f"; of two patients, and on none: orders {', '.join(shared[:5])}"
        return told
    except (NotNowError, OSError) as error:
        return f"the worklist stays as it was: {error}"
    except Exception as error:
        return f"the worklist stays as it was: {type(error).__name__} in the bridge"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="wardship-bridge", description="See docs/bridge.md.")
    parser.add_argument("verb", choices=("serve", "probe", "version"))
    parser.add_argument("settings", type=Path, nargs="?")
    given = parser.parse_args(argv)
    if given.verb == "version":
        print(VERSION)
        return 0
    if given.settings is None:
        parser.error(f"{given.verb} needs SETTINGS")
    try:
        settings = load(given.settings)
        if given.verb == "serve":
            serve(settings)
        else:
            code, because = ask(settings)
            print(json.dumps({"code": code, "because": because}))
    except (mllp.BrokenError, OSError, ValueError, KeyError, TypeError) as error:
        _say(f"{type(error).__name__}: {error}")
        return 1
    return 0


def entry() -> None:
    """Where the one file begins."""
    raise SystemExit(main())

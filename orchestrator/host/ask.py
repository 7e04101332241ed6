"""The two scripts that the controller asks for outside a phase: ``census`` and ``forget``."""

from __future__ import annotations

import json
import re
from typing import Any, Dict

from .change import Change, load
from .host import Host
from .outcome import FailedError, RefusedError
from .work import current_release, environment

SECONDS = 300.0
UID = re.compile(r"[0-9][0-9.]{0,63}")  # DICOM PS3.5 section 9.1


def census(host: Host, identifier: str) -> Any:
    """What the product holds now, as its script says it.

    Raises:
        FailedError: it does not say.
    """
    out = _run(load(host, identifier), "census")
    try:
        return json.loads(out)
    except ValueError as error:
        raise FailedError(f"script census did not print JSON: {error}") from None


def forget(host: Host, identifier: str, *, study: str) -> Dict[str, Any]:
    """Remove the probe's study.

    Raises:
        FailedError: the script did not.
        RefusedError: ``study`` is not a UID.
    """
    if not UID.fullmatch(study):
        raise RefusedError("order", f"{study!r} is not a study's UID")
    _run(load(host, identifier), "forget", WARDSHIP_STUDY=study)
    return {"forgotten": study}


def _run(change: Change, script: str, **extra: str) -> str:
    release = current_release(change) or change.manifest.from_release
    path = change.paths.scripts / script
    env = {**environment(change, script, release), **extra}
    ran = change.host.system.run([str(path)], env=env, timeout=SECONDS)
    if ran.code != 0:
        raise FailedError(f"script {script} failed: {ran.reason}")
    return ran.out

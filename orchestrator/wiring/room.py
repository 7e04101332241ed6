"""The room on the controller's disk: without it nothing is begun, and what runs is stopped aloud.

The engine waits for ever for a disk that is full. A hospital whose clinic is out must not wait with
it unheard: the run ends, says which doors may be shut, and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.errors import PlanError, RestoreError, WardshipError
from orchestrator.rollout.model import Record
from orchestrator.rollout.phases import ENDS, UNTOUCHED

#: What a run may write, in bytes: journal, engine, reports, and what Ansible says.
TO_BEGIN = 32 << 20
#: With less than this, in bytes, a write may fail at any time.
TO_GO_ON = 1 << 20


def need(directory: Path) -> None:
    """Before anything is begun.

    Raises:
        PlanError: there is too little room to write down what happens.
    """
    free = _free(directory)
    if free < TO_BEGIN:
        raise PlanError(
            f"{directory}: {free >> 20} MiB are free, a run needs {TO_BEGIN >> 20} to write down "
            "what it does; nothing was begun",
            hint="free space there, then the same command again",
        )


def is_left(directory: Path) -> bool:
    """Whether what happens can still be written down."""
    return _free(directory) >= TO_GO_ON


def stopped(directory: Path, records: Sequence[Record], failed: Mapping[str, str]) -> WardshipError:
    """What to tell when a run could not be written down any further."""
    why = "; ".join(f"{one}: {error}" for one, error in failed.items())
    if not is_left(directory):
        why = f"the disk of {directory} is full"
    open_ = [record for record in records if record.state not in ENDS]
    stand = ", ".join(
        f"{record.change_set.facility} ({record.state}"
        f"{'' if record.state in UNTOUCHED else ', its door may be shut'})"
        for record in open_
    )
    plan = open_[0].plan[:12] if open_ else "PLAN"
    kind = PlanError if all(record.state in UNTOUCHED for record in open_) else RestoreError
    return kind(
        f"not written down, and so not gone on with: {why}. unfinished: {stand or 'nothing'}",
        hint=f"mend that now, then: wardship run {plan} --resume; "
        "a host keeps what it has done, and restores itself when it is booted undecided",
    )


def _free(directory: Path) -> int:
    about = os.statvfs(directory)
    return about.f_bavail * about.f_frsize

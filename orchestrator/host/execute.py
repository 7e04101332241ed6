"""The inside of a phase's unit: one phase at a time on a host, looked at again before it acts."""

from __future__ import annotations

import traceback
from typing import Callable, Dict

from . import apply, opening, quiesce, restore, snapshot, units
from .begin import end
from .change import Change, facts, load, look
from .host import Host
from .locks import locked
from .outcome import FailedError, RefusedError
from .phases import ABSENT, INTERRUPTED, ONCE, RUNNING, refusal
from .work import Work

STEPS: Dict[str, Callable[[Work], None]] = {
    "quiesce": quiesce.run,
    "snapshot": snapshot.run,
    "apply": apply.run,
    "restore": restore.run,
    "open": opening.run,
}


def run(host: Host, identifier: str, name: str, *, attempt: int) -> int:
    """Do the phase and write down how it ended; the unit's exit code."""
    change = load(host, identifier)
    _check(change, name, attempt)
    work = Work(change, name)
    try:
        if name == "restore":
            kill_others(work)
        with locked(host.system, host.layout.mutate_lock):
            with locked(host.system, host.layout.lock):
                _check(change, name, attempt)
                _may_still(change, name)
            STEPS[name](work)
    except (FailedError, RefusedError) as error:
        return _failed(work, error.because)
    except OSError as error:
        return _failed(work, f"{error.strerror}: {error.filename or 'no file'}")
    except Exception as error:  # a bug of ours: it must not look like a host that died
        work.note(traceback.format_exc())
        return _failed(work, f"a bug in the host program: {type(error).__name__}: {error}")
    end(change, name, "succeeded", "")
    return 0


def _failed(work: Work, because: str) -> int:
    work.note(f"failed: {because}")
    end(work.change, work.phase, "failed", because)
    return 1


def _check(change: Change, name: str, attempt: int) -> None:
    """Only the unit that the record speaks of may run."""
    _, record = look(change, name)
    if record.get("state") != "started" or record["attempt"] != attempt:
        raise RefusedError("order", f"attempt {attempt} of {name} is not the one that was started")


def _may_still(change: Change, name: str) -> None:
    """A decision may have been made between the start and now."""
    refused = refusal(facts(change), name)
    if refused is not None:
        raise RefusedError(*refused)


def kill_others(work: Work) -> None:
    """End every other phase of the change that still runs, whoever started it.

    Raises:
        FailedError: one could not be killed.
    """
    for other in [*ONCE, "open"]:
        state, record = look(work.change, other)
        if state == ABSENT or record.get("boot_id") != work.system.boot_id():
            continue
        units.kill(work.system, record["unit"])
        if state == RUNNING:
            work.note(f"{other} still ran and was killed")
            if look(work.change, other)[0] == INTERRUPTED:
                end(work.change, other, "interrupted", "restore killed it")

"""The verb ``phase``: start a phase at most once, wait for it, report it.

The record is written before the unit is asked for, both under the lock: whoever comes second, also
after a crash between the two, sees that it began.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import answering, epoch, member, parking, quiesce, records, units, watch
from .change import Change, facts, load, look
from .host import Host
from .locks import locked
from .outcome import FailedError, RefusedError
from .phases import AGAIN, RESTORE, RUNNING, Facts, entry, refusal
from .records import Record

TAIL_LINES, TAIL_CHARACTERS = 20, 4000
POLL = 0.1


def phase(
    host: Host,
    identifier: str,
    name: str,
    *,
    at: int,
    wait: Optional[float],
    seen: Optional[Facts] = None,
) -> Dict[str, Any]:
    """Carry out one phase, or say what became of it.

    Args:
        at: the epoch of the caller.
        wait: seconds to wait at most; None is as long as it may take.
        seen: what the caller goes by; where things stand otherwise by now, nothing starts.

    Raises:
        RefusedError: it may not start; nothing was done.
    """
    _reach_others(host, identifier, name, at=at)
    with epoch.admitted(host, at):
        change = load(host, identifier)
        known = facts(change)
        if entry(known, name) == "start" and seen in (None, known):
            _allow(change, name)
            _keep_watch(change, name)
            _park(change, name)
            start(change, name, at=at)
    limit = change.manifest.limits[name] + 60.0
    return await_end(change, name, seconds=limit if wait is None else wait)


def ready(host: Host, identifier: str) -> Dict[str, Any]:
    """What would stop quiesce here, asked of every host of a set before any of them is stopped.

    ``problems`` of this host, and ``silence``: why its anchor is not heard.
    """
    with locked(host.system, host.layout.lock):
        change = load(host, identifier)
        refused = refusal(facts(change), "quiesce")
        problems = [refused[1]] if refused else quiesce.problems(change)
        watch.answer(change)
    answering.require(change)
    return {"problems": problems, "silence": member.silence(change)}


def _reach_others(host: Host, identifier: str, name: str, *, at: int) -> None:
    """Of hosts that change together: quiesce needs that they hear each other, restore and open
    what the anchor decided. Asked without the lock: an answer may take seconds.

    Raises:
        RefusedError: this is not so, or a younger controller is here; nothing was done.
    """
    with epoch.admitted(host, at):
        change = load(host, identifier)
        known = facts(change)
    if change.manifest.together is None or entry(known, name) != "start":
        return
    if change.is_anchor and name == "quiesce":
        _be_heard(change)
    is_known = known.target == RESTORE or (known.target is not None and name == "open")
    needs_word = change.is_member and name in ("quiesce", *AGAIN) and not is_known
    if needs_word and member.listen(change, begins=name == "quiesce") is None:
        raise RefusedError("anchor", member.unheard(change) or "the anchor is not heard")


def _be_heard(change: Change) -> None:
    try:
        with locked(change.host.system, change.host.layout.lock):
            watch.answer(change)
        answering.require(change)
    except FailedError as error:
        raise RefusedError("order", f"the other hosts are not answered: {error.because}") from None


def _allow(change: Change, name: str) -> None:
    refused = refusal(facts(change), name)
    if refused is not None:
        raise RefusedError(*refused)
    wrong = quiesce.problems(change) if name == "quiesce" else []
    if wrong:
        raise RefusedError("order", "; ".join(wrong))


def _keep_watch(change: Change, name: str) -> None:
    """Nothing is begun that nobody would end; what ends it is not stopped by that."""
    if name not in ("quiesce", *AGAIN):
        return
    try:
        watch.keep(change)
    except FailedError as error:
        if name == "quiesce":
            raise RefusedError("order", f"no undo timer: {error.because}") from None


def _park(change: Change, name: str) -> None:
    """What comes while the door is shut is looked after before anything is felt."""
    if name != "quiesce":
        return
    try:
        parking.begin(change)
    except FailedError as error:
        raise RefusedError("order", error.because) from None


def start(change: Change, name: str, *, at: int) -> None:
    """Write down that a phase begins, and begin it. Call it under the lock."""
    host, path = change.host, change.paths.phase(name)
    host.disk.make_dir(change.paths.phases)
    attempt = _set_aside(change, name)
    if name == "restore":
        _set_aside(change, "open")  # it was about the commit that is now reversed
    unit = units.name(change.id, name)
    record = {
        "phase": name,
        "state": "started",
        "unit": unit,
        "attempt": attempt,
        "epoch": at,
        "boot_id": host.system.boot_id(),
        "started_at": host.stamp(),
        "began": host.system.now(),
    }
    records.write(host.disk, path, record)
    argv = [host.system.program, "run", name, "--change", change.id, "--attempt", str(attempt)]
    try:
        units.start(host.system, unit, f"RuntimeMaxSec={change.manifest.limits[name]}", argv=argv)
    except FailedError as error:
        end(change, name, "failed", error.because)


def _set_aside(change: Change, name: str) -> int:
    """Keep the record and log of the attempt before, if there was one; the number of the next."""
    path, log, disk = change.paths.phase(name), change.paths.log(name), change.host.disk
    state, record = look(change, name)
    if path.exists() and state != RUNNING:  # what runs is killed by restore, and settled then
        number = int(record["attempt"])
        if log.exists():
            disk.rename(log, log.with_name(f"{name}-{number}.log"))
        records.write(disk, path, {**record, "state": state})
        disk.rename(path, path.with_name(f"{name}-{number}.json"))
    return 1 + len(list(change.paths.phases.glob(f"{name}-*.json")))


def end(change: Change, name: str, state: str, because: str) -> None:
    """Write down how a phase ended."""
    host, path = change.host, change.paths.phase(name)
    record = records.read(path) or {}
    seconds = round(host.system.now() - float(record["began"]), 3)
    ended = {
        "state": state,
        "because": because,
        "ended_at": host.stamp(),
        "ended": host.system.monotonic(),
        "seconds": seconds,
    }
    records.write(host.disk, path, {**record, **ended})


def await_end(change: Change, name: str, *, seconds: float) -> Dict[str, Any]:
    """Wait until a phase no longer runs, at most so long, and report it."""
    system = change.host.system
    deadline = system.monotonic() + seconds
    while look(change, name)[0] == RUNNING and system.monotonic() < deadline:
        system.sleep(POLL)
    return {**report(change, name), "ended_ago": _ended_ago(change, look(change, name)[1])}


def report(change: Change, name: str) -> Dict[str, Any]:
    """What became of a phase. Times are UTC, ``seconds`` so far when it still runs."""
    state, record = look(change, name)
    seconds = record.get("seconds")
    if state == RUNNING:
        seconds = round(change.host.system.now() - float(record["began"]), 3)
    return {
        "phase": name,
        "state": state,
        "because": record.get("because", ""),
        "started_at": record.get("started_at"),
        "seconds": seconds,
        "output": _tail(change, name),
    }


def _ended_ago(change: Change, record: Record) -> Optional[float]:
    """Seconds since a phase ended, by a clock that nobody sets while this boot lasts."""
    system = change.host.system
    if record.get("seconds") is None:
        return None
    if record["boot_id"] == system.boot_id() and "ended" in record:
        return max(round(system.monotonic() - float(record["ended"]), 3), 0.0)
    since = system.now() - float(record["began"])
    return max(round(since - float(record["seconds"]), 3), 0.0)


def _tail(change: Change, name: str) -> str:
    try:
        text = change.paths.log(name).read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-TAIL_LINES:])[-TAIL_CHARACTERS:]

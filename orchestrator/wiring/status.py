"""What stands where: the journal's word, and the hosts' own where it matters.

A host's own record outranks the journal. Hosts are only asked about change sets that have not ended
well, and about the newest of each facility, so that ``status`` is quick and works with a broken
line; the door of the others is *not asked*.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from orchestrator.adapters.locks import is_alive
from orchestrator.adapters.replies import diagnosis
from orchestrator.adapters.ssh import Done, HostProgram
from orchestrator.fleet.model import Model
from orchestrator.rollout.model import Diagnosis, Event, Record, State
from orchestrator.rollout.phases import ENDS, was_opened_unwell
from orchestrator.wiring.controller import Controller
from orchestrator.wiring.survey import host_program, ssh_configuration

Door = Literal["open", "shut", "not known", "not asked"]


class HostStatus(Model):
    """What a host says of itself; empty where it was not asked. ``evidence``: a directory there.

    ``found``: what it finds wrong around its product now; asked where a person is needed.
    """

    host: str
    door: Door
    says: str = ""
    evidence: str = ""
    found: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()


class SetStatus(Model):
    """A change set, and what to do about it. ``stopped_by``: why it needs hands, in the end."""

    change_set: str
    facility: str
    plan: str
    state: State
    since: datetime
    cause: str
    stopped_by: str = ""
    runner: str
    is_running: bool
    hosts: tuple[HostStatus, ...]
    next: str


def statuses(controller: Controller, change_set: str | None = None) -> list[SetStatus]:
    """Every change set, oldest first; or the one that is named, whose hosts are asked in any case.

    Raises:
        PlanError: there is none of that name.
    """
    everything = controller.journal.records()
    # One that was not started left what came before it as the newest that can be put back.
    last = {r.change_set.facility: r.change_set.id for r in everything}
    started = [r for r in everything if r.state is not State.NOT_STARTED]
    newest = {*last.values(), *{r.change_set.facility: r.change_set.id for r in started}.values()}
    records = everything if change_set is None else [controller.journal.record(change_set)]
    program = host_program(controller.fleet, ssh_configuration(controller.fleet))

    def look(record: Record) -> SetStatus:
        is_newest = record.change_set.id in newest
        is_open = record.state not in ENDS - {State.NEEDS_HANDS}
        is_asked = is_newest or is_open or change_set is not None
        return _status(record, program, is_newest=is_newest, is_asked=is_asked)

    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(look, records))


def _status(record: Record, program: HostProgram, *, is_newest: bool, is_asked: bool) -> SetStatus:
    running = record.state not in ENDS and is_alive(record.runner)
    return SetStatus(
        change_set=record.change_set.id,
        facility=record.change_set.facility,
        plan=record.plan,
        state=record.state,
        since=record.since,
        cause=record.cause,
        stopped_by=_stopped_by(record),
        runner=record.runner,
        is_running=running,
        hosts=tuple(
            _host(record, host.host, program, is_asked=is_asked) for host in record.change_set.hosts
        ),
        next=_next(record, running=running, is_newest=is_newest),
    )


def _host(record: Record, host: str, program: HostProgram, *, is_asked: bool) -> HostStatus:
    if not is_asked:
        return HostStatus(host=host, door="not asked")
    reply = program.call(host, ["status", "--change", record.change_set.id], timeout=15)
    if not isinstance(reply, Done):
        return HostStatus(host=host, door="not known", says=reply.because)
    changes = reply.data.get("changes")
    one = changes[0] if isinstance(changes, list) and changes else None
    is_hands = record.state is State.NEEDS_HANDS
    seen = diagnosis(program, host, record.change_set.id) if is_hands else Diagnosis()
    return HostStatus(
        host=host,
        door=_DOORS.get(str(reply.data.get("door")), "not known"),
        says=_told(one) if isinstance(one, dict) else "",
        evidence=str(one.get("evidence") or "") if isinstance(one, dict) else "",
        found=seen.found,
        not_looked_at=seen.unknown,
    )


def _stopped_by(record: Record) -> str:
    """What went wrong last, where a person is needed and it is not the cause itself."""
    bad = [one.because for one in record.entries if one.event in {Event.FAILED, Event.UNWELL}]
    is_told = record.state is State.NEEDS_HANDS and bad and bad[-1] != record.cause
    return bad[-1] if is_told else ""


_DOORS: dict[str, Door] = {"open": "open", "shut": "shut"}
_NEEDS = {
    "nothing": "nothing is left to do",
    "decision": "undecided: put back by itself if nobody goes on",
    "restore": "decided to restore, not through yet",
    "open": "decided, not open yet",
    "hands": "needs a person",
}


def _told(change: Mapping[str, JsonValue]) -> str:
    needs, waits = str(change.get("needs")), str(change.get("waits") or "")
    told = _NEEDS.get(needs, needs)
    return f"waits: {waits}" if waits else told


def _next(record: Record, *, running: bool, is_newest: bool) -> str:
    one, plan = record.change_set.id, record.plan[:12]
    if was_opened_unwell(record):
        return (
            f"the clinic works. mend what is named, then: wardship clear {one} --reason TEXT; "
            f"or let wardship look again: wardship restore {one}"
        )
    if record.state is State.NEEDS_HANDS:
        return (
            f"mend the host (wardship report {one} has the evidence), then: wardship clear {one} "
            f"--reason TEXT; or let wardship try again: wardship restore {one}"
        )
    if record.state in ENDS - {State.NEEDS_HANDS} and not is_newest:
        return "nothing: a younger change followed"
    if record.state is State.COMMITTED:
        return f"to put it back: wardship restore {one}"
    if record.state in {State.RESTORED, State.NOT_STARTED}:
        return f"mend the cause, then: wardship plan {record.change_set.facility}"
    if running:
        return f"wait; to stop it: wardship abort {one}"
    return f"its controller is gone: wardship run {plan} --resume"

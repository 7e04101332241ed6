"""Journal entries → what was done when, and when the clinic was out.

The outage is counted from the order to shut the door to the proof that it is open, so it is never
shown shorter than the clinic felt it. Without that proof it has no end. Where hosts had opened
alone, and the proof came later, it ends when they had.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from orchestrator.report.model import Activity, Outage, Reserve, Stretch
from orchestrator.report.privacy import without_patients
from orchestrator.rollout.model import Entry, Event, Record, State

LABELS: dict[State, str] = {
    State.STAGING: "Lay the new release down beside the old",
    State.PREFLIGHT: "Ask whether it is safe to start",
    State.BASELINE: "Check everything as it is",
    State.QUIESCING: "Shut the door, stop the services, take the census",
    State.SNAPSHOTTING: "Capture the state",
    State.APPLYING: "Switch to the new release and start it",
    State.VERIFYING: "Check the new release, door shut",
    State.COMMITTING: "Decide to keep it",
    State.OPENING: "Open the door",
    State.REVERSING: "Order the hosts to put it back",
    State.REVERTING: "Decide to put it back",
    State.RESTORING: "Put the captured state back",
    State.CONFIRMING: "Check what was put back, door shut",
    State.REOPENING: "Open the door",
}
_LIMITED: dict[State, Literal["quiesce", "snapshot", "apply", "restore", "open"]] = {
    State.QUIESCING: "quiesce",
    State.SNAPSHOTTING: "snapshot",
    State.APPLYING: "apply",
    State.OPENING: "open",
    State.RESTORING: "restore",
    State.REOPENING: "open",
}
_PUTS_BACK = (State.RESTORING, State.REOPENING)
_SHUTS = frozenset({State.QUIESCING, State.RESTORING})
_OPENS = frozenset({State.OPENING, State.REOPENING})
SETTLED = frozenset({State.COMMITTED, State.RESTORED, State.NOT_STARTED})


def redirected_to(entry: Entry) -> State | None:
    """Where a person sent the change set with this entry; None where it is a step's."""
    to = entry.evidence.get("redirected_to")
    return State(to) if isinstance(to, str) else None


def activities(entries: Sequence[Entry]) -> tuple[Activity, ...]:
    """The steps with beginning and end; a step that was begun again is one, with its attempts."""
    done: list[Activity] = []
    begun: list[Entry] = []
    for entry in entries:
        if entry.event is None:
            if begun and begun[0].state is not entry.state:
                done.append(_unended(begun))
                begun = []
            begun.append(entry)
        elif redirected_to(entry) is not None:
            done.extend([_unended(begun)] if begun else [])
            done.append(_by_a_person(entry))
            begun = []
        else:
            done.append(_ended(begun, entry))
            begun = []
    return (*done, *([_unended(begun)] if begun else []))


def outages(record: Record, *, as_of: datetime) -> tuple[Outage, ...]:
    """When the clinic was out; the last one has no end where no proof of an open door is there."""
    found: list[Outage] = []
    shut: datetime | None = None
    for activity in activities(record.entries):
        if activity.event == Event.WITHDRAWN:
            continue  # stopped before anything was done
        if shut is None and activity.state in _SHUTS:
            shut = _shut_at(activity)
        elif shut is not None and _opened(activity) and activity.ended_at is not None:
            opened = activity.ended_at - timedelta(seconds=activity.ended_ago)
            found.append(_outage(shut, max(opened, shut), as_of))
            shut = None
    return (*found, *([_outage(shut, None, as_of)] if shut else []))


def outage_seconds(record: Record, *, as_of: datetime | None = None) -> float:
    """How long the clinic was out, in seconds; if it still is, to ``as_of`` or the last entry."""
    return sum(outage.seconds for outage in outages(record, as_of=as_of or last_word(record)))


def last_word(record: Record) -> datetime:
    """The last moment that the journal knows of."""
    return max((entry.at for entry in record.entries), default=record.since)


def stretches(record: Record, *, as_of: datetime) -> tuple[Stretch, ...]:
    """The activities, divided wherever the clinic goes out or comes back."""
    out = outages(record, as_of=as_of)
    rows: list[tuple[int, list[Activity]]] = []
    for done in activities(record.entries):
        activity = done.model_copy(update={"limit": _limit(record, State(done.state))})
        where = _where(activity, out)
        if rows and rows[-1][0] == where and not _is_later(activity):
            rows[-1][1].append(activity)
        else:
            rows.append((where, [activity]))
    return tuple(
        Stretch(
            clinic="working" if where < 0 else "out",
            started_at=group[0].started_at,
            ended_at=max(item.ended_at or as_of for item in group),
            activities=tuple(group),
        )
        for where, group in rows
    )


def reserve(record: Record) -> Reserve:
    """What the hosts keep for putting back and opening, checks aside, and what was used of it."""
    took = [
        activity.seconds
        for activity in activities(record.entries)
        if activity.state in _PUTS_BACK and activity.seconds is not None
    ]
    kept = (_limit(record, state) or 0 for state in _PUTS_BACK)
    return Reserve(kept=sum(kept), used=sum(took) if took else None)


def _limit(record: Record, state: State) -> int | None:
    """The longest that the hosts give a step: they go through it one after another."""
    phase = _LIMITED.get(state)
    if phase is None:
        return None
    return sum(int(getattr(host.limits, phase)) for host in record.change_set.hosts)


def _where(activity: Activity, out: Sequence[Outage]) -> int:
    """Which outage it belongs to, -1 for none. Steps never overlap: its beginning decides."""
    for index, outage in enumerate(out):
        ended = outage.ended_at
        if activity.started_at >= outage.started_at and (
            ended is None or activity.started_at <= ended
        ):
            return index
    return -1


def _is_later(activity: Activity) -> bool:
    """Whether a person came back to it, perhaps days after it had ended."""
    return activity.event == "asked" and activity.state == State.COMMITTED


def _opened(activity: Activity) -> bool:
    if activity.event == "cleared":
        return True
    return activity.state in _OPENS and activity.event in {Event.DONE, Event.UNWELL}


def _outage(shut: datetime, opened: datetime | None, as_of: datetime) -> Outage:
    seconds = ((opened or as_of) - shut).total_seconds()
    return Outage(started_at=shut, ended_at=opened, seconds=max(seconds, 0.0))


def _ended(begun: Sequence[Entry], end: Entry) -> Activity:
    took = timedelta(seconds=end.seconds or 0.0)
    started = begun[0].at if begun else end.at - took
    # The step's own clock knows only its last attempt.
    seconds = took if len(begun) < 2 else end.at - started
    event = end.event or Event.DONE
    return Activity(
        state=end.state,
        label=LABELS.get(end.state, end.state),
        started_at=started,
        ended_at=max(end.at, started),
        seconds=seconds.total_seconds(),
        event=event,
        because="" if event is Event.DONE else without_patients(end.because),
        attempts=max(len(begun), 1),
        host_seconds=_by_host(end, "seconds"),
        ended_ago=_ended_ago(end),
    )


def _unended(begun: Sequence[Entry]) -> Activity:
    return Activity(
        state=begun[0].state,
        label=LABELS.get(begun[0].state, begun[0].state),
        started_at=begun[0].at,
        ended_at=None,
        seconds=None,
        event=None,
        attempts=len(begun),
    )


def _by_a_person(entry: Entry) -> Activity:
    is_clear = entry.state is State.NEEDS_HANDS and redirected_to(entry) in SETTLED
    return Activity(
        state=entry.state,
        label="A person gives it back" if is_clear else "A person asks for it to be put back",
        started_at=entry.at,
        ended_at=entry.at,
        seconds=0.0,
        event="cleared" if is_clear else "asked",
        because=without_patients(entry.because),
    )


def _shut_at(activity: Activity) -> datetime:
    """When the door was ordered shut; earlier than we asked, where a host had gone on alone."""
    if activity.ended_at is None or not activity.ended_ago:
        return activity.started_at
    took = max(activity.host_seconds.values(), default=0.0)
    return min(
        activity.started_at, activity.ended_at - timedelta(seconds=activity.ended_ago + took)
    )


def _ended_ago(entry: Entry) -> float:
    """The last host counts; where one does not say when, it counts as now."""
    ago = _by_host(entry, "ended_ago")
    return min(ago.values()) if len(ago) == len(_by_host(entry, "seconds")) > 0 else 0.0


def _by_host(entry: Entry, name: str) -> dict[str, float]:
    told = entry.evidence.get(name)
    if not isinstance(told, dict):
        return {}
    return {host: float(s) for host, s in told.items() if isinstance(s, int | float)}

"""The states' table: from where, by what, to where. A pair that is not here is a bug, and loud.

Decides nothing else. Laws: a failure before quiesce leaves the hospital untouched; after it, it is
restored; after the decision nothing is restored but by a reversal; what cannot be put back or
opened needs hands, and so does what was put back, is open, and is not well.
"""

from __future__ import annotations

from orchestrator.rollout.model import Event, Record, State

#: Where a change set may end.
ENDS = frozenset({State.NOT_STARTED, State.COMMITTED, State.RESTORED, State.NEEDS_HANDS})

#: Nothing on the host has been felt by the clinic yet.
UNTOUCHED = frozenset({State.STAGING, State.PREFLIGHT, State.BASELINE})

#: The clinic is out, nothing is decided.
UNDECIDED = frozenset({State.QUIESCING, State.SNAPSHOTTING, State.APPLYING, State.VERIFYING})

#: On the way back to the old release.
GOING_BACK = frozenset(
    {State.REVERSING, State.REVERTING, State.RESTORING, State.CONFIRMING, State.REOPENING}
)

_S, _E = State, Event
# fmt: off
NEXT: dict[tuple[State, Event], State] = {
    (_S.STAGING, _E.DONE): _S.PREFLIGHT,
    (_S.STAGING, _E.FAILED): _S.NOT_STARTED,
    (_S.STAGING, _E.ABORTED): _S.NOT_STARTED,
    (_S.PREFLIGHT, _E.DONE): _S.BASELINE,
    (_S.PREFLIGHT, _E.FAILED): _S.NOT_STARTED,
    (_S.PREFLIGHT, _E.ABORTED): _S.NOT_STARTED,
    (_S.BASELINE, _E.DONE): _S.QUIESCING,
    (_S.BASELINE, _E.FAILED): _S.NOT_STARTED,
    (_S.BASELINE, _E.ABORTED): _S.NOT_STARTED,
    (_S.QUIESCING, _E.DONE): _S.SNAPSHOTTING,
    (_S.QUIESCING, _E.FAILED): _S.REVERTING,
    (_S.QUIESCING, _E.ABORTED): _S.REVERTING,
    (_S.QUIESCING, _E.WITHDRAWN): _S.NOT_STARTED,
    (_S.SNAPSHOTTING, _E.DONE): _S.APPLYING,
    (_S.SNAPSHOTTING, _E.FAILED): _S.REVERTING,
    (_S.SNAPSHOTTING, _E.ABORTED): _S.REVERTING,
    (_S.APPLYING, _E.DONE): _S.VERIFYING,
    (_S.APPLYING, _E.FAILED): _S.REVERTING,
    (_S.APPLYING, _E.ABORTED): _S.REVERTING,
    (_S.VERIFYING, _E.DONE): _S.COMMITTING,
    (_S.VERIFYING, _E.FAILED): _S.REVERTING,
    (_S.VERIFYING, _E.ABORTED): _S.REVERTING,
    (_S.COMMITTING, _E.DONE): _S.OPENING,
    (_S.COMMITTING, _E.OTHERWISE): _S.RESTORING,
    (_S.COMMITTING, _E.ABORTED): _S.REVERTING,
    (_S.COMMITTING, _E.FAILED): _S.REVERTING,
    (_S.OPENING, _E.DONE): _S.COMMITTED,
    (_S.OPENING, _E.FAILED): _S.NEEDS_HANDS,
    (_S.REVERSING, _E.DONE): _S.RESTORING,
    (_S.REVERSING, _E.REFUSED): _S.COMMITTED,
    (_S.REVERSING, _E.FAILED): _S.NEEDS_HANDS,
    (_S.REVERTING, _E.DONE): _S.RESTORING,
    (_S.REVERTING, _E.OTHERWISE): _S.OPENING,
    (_S.REVERTING, _E.FAILED): _S.NEEDS_HANDS,
    (_S.RESTORING, _E.DONE): _S.CONFIRMING,
    (_S.RESTORING, _E.FAILED): _S.NEEDS_HANDS,
    (_S.CONFIRMING, _E.DONE): _S.REOPENING,
    (_S.CONFIRMING, _E.FAILED): _S.NEEDS_HANDS,
    (_S.REOPENING, _E.DONE): _S.RESTORED,
    (_S.REOPENING, _E.UNWELL): _S.NEEDS_HANDS,
    (_S.REOPENING, _E.FAILED): _S.NEEDS_HANDS,
}
# fmt: on


def advance(now: State, event: Event) -> State:
    """The state that follows.

    Raises:
        RuntimeError: the table has no such way; never caused by a hospital, always by us.
    """
    if (now, event) not in NEXT:
        raise RuntimeError(f"no way from {now} by {event}")
    return NEXT[now, event]


def is_abortable(state: State) -> bool:
    """Whether a request to abort is heard before this state's step."""
    return (state, Event.ABORTED) in NEXT


def restore_from(state: State, *, was_reversed: bool) -> State | None:
    """The state that a person's *restore* begins with; None where there is nothing to restore.

    ``was_reversed``: a commit stood and was ordered back before, so only a reversal leads on.
    """
    if state is State.COMMITTED or (state is State.NEEDS_HANDS and was_reversed):
        return State.REVERSING
    if state in UNDECIDED | {State.NEEDS_HANDS, State.COMMITTING, State.OPENING}:
        return State.REVERTING
    if state in GOING_BACK:
        return state
    return None


def was_opened_unwell(record: Record) -> bool:
    """Whether it needs hands behind an open door: put back and whole, but not well."""
    ends = [entry.event for entry in record.entries if entry.event is not None]
    return record.state is State.NEEDS_HANDS and bool(ends) and ends[-1] is Event.UNWELL


def was_reversed(record: Record) -> bool:
    """Whether a standing commit was ordered back, with or without an answer."""
    return any(entry.state is State.REVERSING for entry in record.entries)


def ails(record: Record) -> list[str]:
    """What the last confirmation found besides integrity."""
    ends = [one for one in record.entries if one.state is State.CONFIRMING and one.event]
    found = ends[-1].evidence.get("ails") if ends else None
    return [str(one) for one in found] if isinstance(found, list) else []

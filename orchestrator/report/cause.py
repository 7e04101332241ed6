"""Why a change set did not simply commit: one sentence that names the check.

The first cause counts, never a later one. Decides which check that is; invents nothing: where the
journal names no check, the sentence says what the journal says.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.model import Cause
from orchestrator.report.privacy import without_patients
from orchestrator.report.timeline import SETTLED, redirected_to
from orchestrator.rollout.model import CONTROLLER, FOUND_THERE, Entry, Event, Record, State
from orchestrator.verify.model import CheckReport, CheckResult, Moment

#: Longer reasons are cut in the sentence; the check's own row has all of it.
LONGEST = 260

CheckReports = Mapping[tuple[Moment, str], CheckReport]

_LOOKS: dict[State, Moment] = {
    State.BASELINE: "baseline",
    State.VERIFYING: "applied",
    State.CONFIRMING: "restored",
}
_STEP_FAILED: dict[State, str] = {
    State.STAGING: "the new release could not be laid down",
    State.PREFLIGHT: "it was not safe to start",
    State.BASELINE: "the checks did not pass before the change",
    State.QUIESCING: "the services could not be stopped and counted",
    State.SNAPSHOTTING: "the state could not be captured",
    State.APPLYING: "the new release did not start",
    State.VERIFYING: "the checks did not pass with the new release",
    State.COMMITTING: "the decision to keep it was not learned",
    State.OPENING: "the door could not be proved open",
    State.REVERSING: "the hosts refused to put it back",
    State.REVERTING: "the decision to put it back was not learned",
    State.RESTORING: "the captured state could not be put back",
    State.CONFIRMING: "the checks did not pass after it was put back",
    State.REOPENING: "the door could not be proved open",
}
_FAILURES = frozenset({Event.FAILED, Event.UNWELL})
_OUTCOME: dict[State, str] = {
    State.RESTORED: "was put back as it was",
    State.NOT_STARTED: "was left untouched",
    State.NEEDS_HANDS: "needs a person",
}


def first_cause(record: Record, reports: CheckReports) -> Cause | None:
    """Why it left the straight way; None where it never did, or was committed all the same."""
    if record.state is State.COMMITTED:
        return None
    if (entry := _first_reason(record)) is not None:
        return _cause(record, entry, reports, lead=_lead(record))
    if record.cause:
        because = _short(record.cause)
        return Cause(sentence=f"{_lead(record)} because {because}.", state=record.state)
    return None


def last_cause(record: Record, reports: CheckReports) -> Cause | None:
    """What stopped a change set that needs hands, where that is not its first cause."""
    if record.state is not State.NEEDS_HANDS:
        return None
    failures = [entry for entry in record.entries if _is_reason(entry)]
    if len(failures) < 2 or failures[-1] == _first_reason(record):
        return None
    if failures[-1].event is Event.UNWELL:
        lead = "It was put back and its door is open, but it is not well"
    else:
        lead = "Putting it back then stopped"
    return _cause(record, failures[-1], reports, lead=lead)


def _first_reason(record: Record) -> Entry | None:
    """The first reason since it was last committed: what came before belongs to another story."""
    began = 0
    for index, entry in enumerate(record.entries):
        if entry.state is State.COMMITTED and redirected_to(entry) is not None:
            began = index
    return next((entry for entry in record.entries[began:] if _is_reason(entry)), None)


def _is_reason(entry: Entry) -> bool:
    return redirected_to(entry) is not None or entry.event not in {None, Event.DONE}


def _cause(record: Record, entry: Entry, reports: CheckReports, *, lead: str) -> Cause:
    looked = State.CONFIRMING if entry.event is Event.UNWELL else entry.state
    moment = _LOOKS.get(looked)
    bad = _first_not_passed(record, reports, moment, said=entry.because) if moment else None
    around = _around(entry)
    if redirected_to(entry) is None and entry.event in _FAILURES and bad is not None:
        host, result, others = bad
        return Cause(
            sentence=f"{lead} because {_check_said(looked, host, result)}{_and(others)}."
            f"{_found_there(around)}",
            state=entry.state,
            host=host,
            check=result.check,
            protects=result.protects,
            found=around,
        )
    said = _step_said(entry)
    return Cause(
        sentence=f"{lead} because {said}.{_found_there(around)}", state=entry.state, found=around
    )


def _around(entry: Entry) -> tuple[str, ...]:
    """What hosts said was wrong around the product when this failed."""
    found = entry.evidence.get("found")
    return tuple(_short(str(one)) for one in found) if isinstance(found, list) else ()


def _found_there(around: tuple[str, ...]) -> str:
    return f" Found there: {'; '.join(around)}." if around else ""


def _lead(record: Record) -> str:
    return f"{record.change_set.facility} {_OUTCOME.get(record.state, 'is being put back')}"


def _check_said(state: State, host: str, result: CheckResult) -> str:
    when = {
        State.BASELINE: "before anything was changed",
        State.VERIFYING: "with the new release",
        State.CONFIRMING: "after it was put back",
    }[state]
    word = "failed" if result.status == "failed" else "gave no answer"
    said = f": {_short(result.because)}" if result.because else ""
    return f"the check {result.check} on {host} {word} {when}{said}"


def _step_said(entry: Entry) -> str:
    said = _short(entry.because.partition(FOUND_THERE)[0])
    if redirected_to(entry) is not None:
        return f"a person asked for it: {said}" if said else "a person asked for it"
    if entry.event in {Event.ABORTED, Event.WITHDRAWN}:
        return said or "it was stopped by request"
    if entry.event is Event.OTHERWISE:
        return f"another decision already stood on the host: {said}"
    what = _STEP_FAILED.get(entry.state, f"{entry.state} failed")
    return f"{what}: {said}" if said else what


def _and(others: int) -> str:
    if not others:
        return ""
    return f" ({others} other check{'s' if others > 1 else ''} did not pass either)"


def _first_not_passed(
    record: Record, reports: CheckReports, moment: Moment, *, said: str
) -> tuple[str, CheckResult, int] | None:
    """The check to name: failed before unknown, named by the journal before the others."""
    bad = [
        (host.host, result)
        for host in record.change_set.hosts
        if (report := reports.get((moment, host.host))) is not None
        for result in report.results
        if result.status != "passed"
    ]
    if not bad:
        return None
    host, result = min(bad, key=lambda b: (b[1].status != "failed", _place(said, b[1].check)))
    return host, result, len(bad) - 1


def _place(said: str, check: str) -> int:
    at = said.find(check)
    return at if at >= 0 else len(said)


def _short(text: str) -> str:
    """One line without a full stop, safe to stand in a sentence."""
    line = " ".join(without_patients(text).split()).rstrip(".")
    return line if len(line) <= LONGEST else line[: LONGEST - 2].rstrip() + " …"


def remarks(record: Record) -> tuple[str, ...]:
    """What a person did by hand, and what did not go straight though it ended well."""
    told = [remark for entry in record.entries if (remark := _remark(record, entry))]
    return tuple(dict.fromkeys(told))


def _remark(record: Record, entry: Entry) -> str:
    to = redirected_to(entry)
    if entry.state is State.NEEDS_HANDS and to is not None and to not in SETTLED:
        return f"It had needed hands. A person asked to try again: {_short(entry.because)}."
    if entry.state is State.NEEDS_HANDS and to is not None:
        return f"It had needed hands. A person mended it and gave it back: {_short(entry.because)}."
    if entry.state is State.COMMITTED and to is not None:
        return (
            f"It had been committed. A person asked for it to be put back: {_short(entry.because)}."
        )
    if entry.state is State.REVERSING and entry.event is Event.FAILED:
        return f"It was not put back: the hosts refused: {_short(entry.because)}."
    by = entry.evidence.get("by", CONTROLLER)
    if entry.state is State.REVERTING and entry.event is Event.DONE and by != CONTROLLER:
        reason = _short(str(entry.evidence.get("reason", "")))
        return f"{record.change_set.anchor.host} had begun to go back by itself ({by}: {reason})."
    if entry.event is Event.OTHERWISE and record.state is State.COMMITTED:
        return f"{_short(entry.because)}. The decision on the host stands."
    return ""

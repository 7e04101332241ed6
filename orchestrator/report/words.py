"""How a change set ended, in words for a person who was not there: what it means, what to do next.

Claims nothing that the record does not hold: that every check passed is said only where a run of
checks says so, that a state is kept only where it was captured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.report.model import Advice, End, HostReport
from orchestrator.rollout.model import Event, Record, State
from orchestrator.rollout.phases import was_opened_unwell

#: What holds for every report, however good its checks.
LIMITS = (
    "The checks saw these moments and no others. What happens after the door is open is watched"
    " by the hospital, not by this report.",
    "The checks reach the product from its own host while the door is shut. The hospital's"
    " network between modalities, workstations and the product was not tried.",
    "Images that a modality still keeps and has not sent are in no census. Modalities keep them"
    " until they are acknowledged and send them again when the door is open.",
    "Nobody looked at an image. That pixels and headers are equal was computed; that they read"
    " well on a workstation was not.",
)
_KINDS = {"pacs": "PACS", "ris": "RIS", "viewer": "workstation", "os": "operating system"}
_OPEN = "The door is open: modalities and workstations reach the product as before."


@dataclass(frozen=True)
class _Case:
    record: Record
    hosts: Sequence[HostReport]
    is_out: bool

    @property
    def id(self) -> str:
        return self.record.change_set.id

    def has(self, state: State, event: Event | None) -> bool:
        """Whether the journal has such an entry."""
        return any(e.state is state and e.event is event for e in self.record.entries)


def end(record: Record, hosts: Sequence[HostReport], *, is_out: bool) -> End:
    """The end, or that there is none yet."""
    return _ENDS.get(record.state, _unfinished)(_Case(record, hosts, is_out))


def _committed(case: _Case) -> End:
    return End(
        standing="committed",
        state=case.record.state,
        headline="Committed",
        lead=f"The new release is in use: {_each(case.hosts, to=True)}.",
        meaning=_said(
            _every_check(case.hosts, "before the door was opened"),
            "" if case.is_out else _OPEN,
        ),
        advice=(
            Advice(text="Nothing has to be done. Tell radiology that the work goes on."),
            Advice(
                text="Until the captured state is cleaned up, this change can still be put back:",
                command=f"wardship restore {case.id}",
            ),
        ),
    )


def _restored(case: _Case) -> End:
    evidence = Advice(
        text="What the new release left behind is kept on the host as evidence:",
        command=f"wardship status {case.id}",
    )
    return End(
        standing="restored",
        state=case.record.state,
        headline="Put back as it was",
        lead="The old release is in use again.",
        meaning=_said(
            f"The new release is not in use: {_each(case.hosts, to=False)}.",
            _every_check(case.hosts, "after it was put back"),
            "" if case.is_out else _OPEN,
        ),
        advice=(
            Advice(text="For the clinic nothing has to be done. Tell radiology that work goes on."),
            Advice(
                text="The mandate is not met yet. Mend the cause named above, then plan again:",
                command="wardship plan",
            ),
            *([evidence] if case.has(State.APPLYING, None) else []),
        ),
    )


def _not_started(case: _Case) -> End:
    return End(
        standing="not started",
        state=case.record.state,
        headline="Not started",
        lead="Nothing that the clinic uses was touched.",
        meaning=_said(
            "Nothing that the clinic uses was touched, and the clinic was not interrupted:"
            f" {_each(case.hosts, to=False)}.",
        ),
        advice=(
            Advice(
                text="The mandate is not met yet. Mend the reason named above, then plan again:",
                command="wardship plan",
            ),
        ),
    )


def _unwell(case: _Case) -> End:
    return End(
        standing="needs hands",
        state=case.record.state,
        headline="Put back, but not well",
        lead="It was put back, and a person is needed.",
        meaning=_said(
            f"The new release is not in use: {_each(case.hosts, to=False)}.",
            "Every check that nothing is lost or changed passed after it was put back; what did"
            " not pass is named above, and does not keep a door shut.",
            "" if case.is_out else _OPEN,
        ),
        advice=(
            Advice(text="Tell radiology that work goes on, and what is named above."),
            Advice(text="See whether it is still so:", command=f"wardship status {case.id}"),
            Advice(
                text="When it is mended, give it back; it is verified first:",
                command=f'wardship clear {case.id} --reason "…"',
            ),
        ),
    )


def _needs_hands(case: _Case) -> End:
    if was_opened_unwell(case.record):
        return _unwell(case)
    kinds = " and ".join(
        dict.fromkeys(_KINDS.get(h.planned.kind, h.planned.kind) for h in case.hosts)
    )
    captured = case.has(State.SNAPSHOTTING, Event.DONE)
    return End(
        standing="needs hands",
        state=case.record.state,
        headline="Needs hands",
        lead="A person is needed now.",
        meaning=_said(
            f"wardship stopped, and touches {', '.join(h.host for h in case.hosts)} no more.",
            f"Treat the {kinds} as out of service: no proof is there that the door is open."
            " Modalities keep their images until they are acknowledged."
            if case.is_out
            else "The door was last seen open, but what runs behind it is not proved.",
            "The state from before the change was captured and is kept on the host."
            if captured
            else "No state was captured: the change had not come so far.",
        ),
        advice=(
            Advice(text="Follow the downtime procedure, and do not delete images at modalities."),
            Advice(
                text="A person who knows the product looks at what is left to do:",
                command=f"wardship status {case.id}",
            ),
            Advice(text="To try again to put it back:", command=f"wardship restore {case.id}"),
            Advice(
                text="When it is mended by hand, give it back; it is verified first:",
                command=f'wardship clear {case.id} --reason "…"',
            ),
        ),
    )


def _unfinished(case: _Case) -> End:
    clinic = "The clinic is out." if case.is_out else "The clinic is working."
    return End(
        standing="unfinished",
        state=case.record.state,
        headline=f"Not finished: {case.record.state}",
        lead=f"This report was made while the change was under way. {clinic}",
        meaning=_said(
            "It will end committed, restored, not started, or in need of a person; which is not"
            " known yet.",
        ),
        advice=(
            Advice(text="Look again:", command=f"wardship status {case.id}"),
            Advice(
                text="If its controller is gone, the change goes on from where it was:",
                command="wardship run PLAN --resume",
            ),
        ),
    )


_ENDS: dict[State, Callable[[_Case], End]] = {
    State.COMMITTED: _committed,
    State.RESTORED: _restored,
    State.NOT_STARTED: _not_started,
    State.NEEDS_HANDS: _needs_hands,
}


def gaps(record: Record, hosts: Sequence[HostReport]) -> tuple[str, ...]:
    """What the journal should hold for such an end, and does not."""
    missing = [
        f"{host.host}: the journal holds no results of the checks {_WHEN[moment]}."
        for host in hosts
        for moment in _NEEDED.get(record.state, ())
        if moment not in host.moments
    ]
    doubtful = [
        f"{host.host}: the last checks did not all pass, though the change set is {record.state}."
        for host in hosts
        if record.state in _NEEDED and host.worst not in {"passed", None}
    ]
    uncounted = [
        f"{host.host}: the journal holds no readable census from before the change."
        for host in hosts
        if record.state is State.COMMITTED and host.census is None
    ]
    contradicted = [
        f"{host.host}: images are missing or changed though the check {host.census.proof} passed."
        for host in hosts
        if host.census and host.census.lost and host.census.proved == "passed"
    ]
    return (*missing, *doubtful, *uncounted, *contradicted)


_NEEDED: dict[State, tuple[str, ...]] = {
    State.COMMITTED: ("baseline", "applied"),
    State.RESTORED: ("restored",),
}
_WHEN = {
    "baseline": "before the change",
    "applied": "with the new release",
    "restored": "after it was put back",
}


def _said(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)


def _each(hosts: Sequence[HostReport], *, to: bool) -> str:
    plans = [host.planned for host in hosts]
    told = [
        f"{plan.host} runs {plan.product} {plan.to_release if to else plan.from_release}"
        for plan in plans
    ]
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _every_check(hosts: Sequence[HostReport], when: str) -> str:
    if any(host.worst != "passed" for host in hosts):
        return ""
    return f"All {sum(host.tallies[-1].total for host in hosts)} checks passed {when}."

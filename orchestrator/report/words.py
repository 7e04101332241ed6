"""How a change set ended, in words for a person who was not there: what it means, what to do next.

Claims nothing that the record does not hold: that every check passed is said only where a run of
checks says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.report.model import Advice, End, HostReport, Standing
from orchestrator.rollout.model import Record, State

_KINDS = {"pacs": "PACS", "ris": "RIS", "viewer": "workstation", "os": "operating system"}
_STANDINGS: dict[State, Standing] = {
    State.COMMITTED: "committed",
    State.RESTORED: "restored",
    State.NOT_STARTED: "not started",
    State.NEEDS_HANDS: "needs hands",
}
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


def end(record: Record, hosts: Sequence[HostReport], *, is_out: bool) -> End:
    """The end, or that there is none yet."""
    standing = _STANDINGS.get(record.state, "unfinished")
    headline, meaning, advice = {
        "committed": _committed,
        "restored": _restored,
        "not started": _not_started,
        "needs hands": _needs_hands,
        "unfinished": _unfinished,
    }[standing](record, hosts, is_out)
    return End(
        standing=standing,
        state=record.state,
        headline=headline,
        meaning=tuple(meaning),
        advice=tuple(advice),
    )


def gaps(record: Record, hosts: Sequence[HostReport]) -> tuple[str, ...]:
    """What the journal should hold for such an end, and does not."""
    needed = {State.COMMITTED: ("baseline", "applied"), State.RESTORED: ("restored",)}
    found = [
        f"{host.host}: the journal holds no results of the checks {_WHEN[moment]}."
        for host in hosts
        for moment in needed.get(record.state, ())
        if moment not in host.moments
    ]
    found += [
        f"{host.host}: the last checks did not all pass, though the change set is {record.state}."
        for host in hosts
        if record.state in {State.COMMITTED, State.RESTORED} and host.worst not in {"passed", None}
    ]
    if record.state is State.COMMITTED:
        found += [
            f"{host.host}: the journal holds no census from before the change."
            for host in hosts
            if host.census is None
        ]
    return tuple(found)


_WHEN = {
    "baseline": "before the change",
    "applied": "with the new release",
    "restored": "after it was put back",
}
_Words = tuple[str, list[str], list[Advice]]


def _committed(record: Record, hosts: Sequence[HostReport], is_out: bool) -> _Words:  # noqa: FBT001
    meaning = [f"{_each(hosts, to=True)} {_every_check(hosts, 'before the door was opened')}"]
    if not is_out:
        meaning.append("The door is open: modalities and workstations work as before.")
    return (
        "Committed",
        meaning,
        [
            Advice(text="Nothing has to be done. Tell radiology that the work goes on."),
            Advice(
                text="Until the captured state is cleaned up, this change can still be put back:",
                command=f"wardship restore {record.change_set.id}",
            ),
        ],
    )


def _restored(record: Record, hosts: Sequence[HostReport], is_out: bool) -> _Words:  # noqa: FBT001
    meaning = [
        f"The new release is not in use. {_each(hosts, to=False)}"
        f" {_every_check(hosts, 'after it was put back')}"
    ]
    if not is_out:
        meaning.append("The door is open: modalities and workstations work as before.")
    return (
        "Put back as it was",
        meaning,
        [
            Advice(text="For the clinic nothing has to be done. Tell radiology that work goes on."),
            Advice(
                text="The mandate is not met yet. Mend the cause named above, then plan again:",
                command="wardship plan",
            ),
            Advice(
                text="What the failed release left behind is kept on the host as evidence:",
                command=f"wardship status {record.change_set.id}",
            ),
        ],
    )


def _not_started(
    record: Record,
    hosts: Sequence[HostReport],
    is_out: bool,  # noqa: FBT001
) -> _Words:
    del record, is_out
    return (
        "Not started",
        [
            "Nothing that the clinic uses was touched, and the clinic was not interrupted."
            f" {_each(hosts, to=False)}",
        ],
        [
            Advice(
                text="The mandate is not met yet. Mend the reason named above, then plan again:",
                command="wardship plan",
            ),
        ],
    )


def _needs_hands(
    record: Record,
    hosts: Sequence[HostReport],
    is_out: bool,  # noqa: FBT001
) -> _Words:
    names = ", ".join(host.host for host in hosts)
    kinds = " and ".join(dict.fromkeys(_KINDS.get(h.planned.kind, h.planned.kind) for h in hosts))
    door = (
        f"Treat the {kinds} as out of service: no proof is there that the door is open again."
        " Modalities keep their images until they are acknowledged."
        if is_out
        else "The door was last seen open, but what runs behind it is not proved."
    )
    return (
        "Needs hands",
        [
            f"wardship stopped and touches {names} no more, so that nothing is lost. {door}",
            "The captured state and the failed state are kept on the host.",
        ],
        [
            Advice(text="Follow the downtime procedure, and do not delete images at modalities."),
            Advice(
                text="A person who knows the product looks at what is left to do:",
                command=f"wardship status {record.change_set.id}",
            ),
            Advice(
                text="To try again to put it back:",
                command=f"wardship restore {record.change_set.id}",
            ),
            Advice(
                text="When it is mended by hand, give it back; it is verified first:",
                command=f'wardship clear {record.change_set.id} --reason "…"',
            ),
        ],
    )


def _unfinished(
    record: Record,
    hosts: Sequence[HostReport],
    is_out: bool,  # noqa: FBT001
) -> _Words:
    del hosts
    clinic = "The clinic is out." if is_out else "The clinic is working."
    return (
        f"Not finished: {record.state}",
        [f"This report was made while the change was under way. {clinic}"],
        [
            Advice(text="Look again:", command=f"wardship status {record.change_set.id}"),
            Advice(
                text="If its controller is gone, the change goes on from where it was:",
                command="wardship run PLAN --resume",
            ),
        ],
    )


def _each(hosts: Sequence[HostReport], *, to: bool) -> str:
    plans = [host.planned for host in hosts]
    told = [
        f"{plan.host} runs {plan.product} {plan.to_release if to else plan.from_release}"
        for plan in plans
    ]
    return ", ".join(told[:-1]) + (" and " if len(told) > 1 else "") + told[-1] + "."


def _every_check(hosts: Sequence[HostReport], when: str) -> str:
    if any(host.worst != "passed" for host in hosts):
        return ""
    checks = sum(host.tallies[-1].total for host in hosts)
    return f"All {checks} checks passed {when}."

"""What hosts tell at the end of a change, kept with it: what was parked, and what became of it."""

from __future__ import annotations

from orchestrator.rollout.model import Outcome, Record
from orchestrator.rollout.ports import Hosts, Journal


def keep_parked(
    hosts: Hosts, journal: Journal, record: Record, outcome: Outcome, *, epoch: int
) -> Outcome:
    """Keep the hosts' word. Who does not say is named in the outcome, and stops nothing."""
    unsaid = []
    for host in record.change_set.hosts:
        if host.parking is None:
            continue
        told = hosts.parked(record.change_set, host)
        if told is None:
            unsaid.append(f"{host.host} does not say what was parked")
        else:
            journal.keep(record.change_set.id, f"parked/{host.host}", told, epoch=epoch)
    if not unsaid:
        return outcome
    because = "; ".join([*([outcome.because] if outcome.because else []), *unsaid])
    return outcome.model_copy(update={"because": because})

"""How long a clinic will be without its system, and what that is known from. Pure.

The nearest thing that was measured counts: this hop at this host, then at hosts like it. Where
nothing was, only the bound that the phases' limits set is told, and that it is no measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from orchestrator.fleet.model import Model
from orchestrator.plan.model import HostChange


class Measured(Model):
    """A committed change's outage. ``seconds``: from the order to shut the door to its opening."""

    facility: str
    host: str
    product: str
    from_release: str
    to_release: str
    day: str
    seconds: float


class Outage(Model):
    """What is expected. ``seconds`` is None where nothing like it was measured; ``bound``: when
    phases on the host are cut off, in seconds."""

    seconds: float | None
    bound: int
    source: str


def expected(host: HostChange, facility: str, measured: Sequence[Measured]) -> Outage:
    """What to expect at one host. ``measured``: oldest first."""
    limits = host.limits
    bound = limits.quiesce + limits.snapshot + limits.apply + limits.open
    alike = [one for one in measured if one.product == host.product]
    here = [one for one in alike if (one.facility, one.host) == (facility, host.host)]
    hop = [one for one in alike if _hop(one) == (host.from_release, host.to_release)]
    if same := [one for one in here if one in hop]:
        last = same[-1]
        return Outage(seconds=last.seconds, bound=bound, source=f"this hop here on {last.day}")
    if hop:
        return Outage(
            seconds=median(one.seconds for one in hop),
            bound=bound,
            source=f"this hop at other hosts, median of {len(hop)}",
        )
    if here:
        last = here[-1]
        source = f"{last.from_release} to {last.to_release} here on {last.day}, another hop"
        return Outage(seconds=last.seconds, bound=bound, source=source)
    return Outage(seconds=None, bound=bound, source="nothing like it was measured yet")


def _hop(one: Measured) -> tuple[str, str]:
    return one.from_release, one.to_release

"""How long a clinic will be without its system, and what that is known from. Pure.

The nearest thing that was measured counts: this hop at this host, then at hosts like it. Where
nothing was, only the bound that the phases' limits set is told, and that it is no measurement.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from orchestrator.fleet.model import Model
from orchestrator.plan.model import HostChange, Outage


class Measured(Model):
    """A committed change's outage. ``seconds``: from the order to shut the door to its opening."""

    facility: str
    host: str
    product: str
    #: From where to where, by which releases (``HostChange.way``).
    way: str
    day: str
    seconds: float


class Measurements:
    """What was measured in a fleet, oldest first; found again without looking through all of it."""

    def __init__(self, measured: Iterable[Measured] = ()) -> None:
        self._here: dict[tuple[str, str, str], list[Measured]] = defaultdict(list)
        ways: dict[tuple[str, str], list[float]] = defaultdict(list)
        for one in measured:
            self._here[one.facility, one.host, one.product].append(one)
            ways[one.product, one.way].append(one.seconds)
        self._ways = {way: (median(seconds), len(seconds)) for way, seconds in ways.items()}

    def expected(self, host: HostChange, facility: str) -> Outage:
        """What to expect at one host."""
        limits = host.limits
        bound = limits.quiesce + limits.snapshot + limits.apply + limits.open
        here = self._here.get((facility, host.host, host.product), ())
        if same := [one for one in here if one.way == host.way]:
            return Outage(
                seconds=same[-1].seconds, bound=bound, basis="this hop here",
                source=f"this hop here on {same[-1].day}",
            )  # fmt: skip
        if known := self._ways.get((host.product, host.way)):
            return Outage(
                seconds=known[0], bound=bound, basis="this hop elsewhere",
                source=f"this hop at other hosts, median of {known[1]}",
            )  # fmt: skip
        # What one hop took says nothing of several.
        if here and not host.hops:
            last = here[-1]
            return Outage(
                seconds=last.seconds, bound=bound, basis="another hop here",
                source=f"{last.way} here on {last.day}, another hop",
            )  # fmt: skip
        source = "nothing like it was measured yet"
        return Outage(seconds=None, bound=bound, basis="bound", source=source)

"""The way from the release that runs to the one that is ordered, as the catalog has it. Pure."""

from __future__ import annotations

from orchestrator.fleet.catalog import Product
from orchestrator.fleet.rules import in_version_order


def route(product: Product, here: str, to: str) -> tuple[str, ...] | None:
    """The releases in between, in order; none where one leads to the other. None: no way.

    A way that can be put back goes before one that cannot; then the fewest hops; of several such
    ways the one that goes by the newest releases.
    """
    reversible = {
        name for name, one in product.releases.items() if name == to or not one.irreversible
    }
    safe = _route(product, here, to, by=reversible)
    return _route(product, here, to, by=set(product.releases)) if safe is None else safe


def _route(product: Product, here: str, to: str, *, by: set[str]) -> tuple[str, ...] | None:
    ways: list[tuple[str, ...]] = [(here,)]
    seen = {here}
    while ways:
        reached = [
            (*way, release)
            for way in ways
            for release, known in product.releases.items()
            if way[-1] in known.upgrades_from and release in by - seen
        ]
        if there := [way for way in reached if way[-1] == to]:
            best = max(there, key=lambda way: [in_version_order(one) for one in reversed(way)])
            return best[1:-1]
        seen |= {way[-1] for way in reached}
        ways = [way for way in reached if in_version_order(way[-1]) < in_version_order(to)]
    return None

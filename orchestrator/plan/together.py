"""Which hosts change together, and whether what will run at a facility fits together. Pure.

Hosts that change, and of which one needs the product of the other, are one set: what is needed
first. The first is the anchor, which keeps the decision (docs/adr/0018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from orchestrator.fleet.catalog import Catalog, Release
from orchestrator.fleet.model import Fleet
from orchestrator.fleet.needs import fits
from orchestrator.fleet.route import route
from orchestrator.plan.model import Basis, HostChange, Outage, Refusal
from orchestrator.survey.model import HostSurvey

#: What an outage is known from, the nearest first.
_BASES: tuple[Basis, ...] = get_args(Basis)


def unmet(fleet: Fleet, facility: str, found: Mapping[str, HostSurvey]) -> list[Refusal]:
    """What a release needs of another product and the facility will not have after the plan.

    ``found``: by host. A product that the facility does not declare is nobody's business here.
    """
    after = _after(fleet, facility, found)
    return _unlisted(fleet.catalog, facility, after) + [
        Refusal(
            facility=facility, host=host, gate="needs",
            because=f"{product} {release} needs {needed} {which}, {other} will have {theirs}",
            hint=f"order such {needed} there too, or another {product}, then: "
            f"wardship plan {facility}",
        )
        for host, (product, last) in after.items()
        for release in (*_on_the_way(fleet.catalog, found.get(host), product, last), last)
        for needed, which in _needs(fleet.catalog, product, release).items()
        for other, (carried, theirs) in after.items()
        if carried == needed and not fits(theirs, which)
    ]  # fmt: skip


def _on_the_way(
    catalog: Catalog, found: HostSurvey | None, product: str, release: str
) -> tuple[str, ...]:
    """Releases that a host only passes through: others of its set are there before it begins."""
    known = catalog.products.get(product)
    return (route(known, found.release, release) or ()) if known and found else ()


def _unlisted(
    catalog: Catalog, facility: str, after: Mapping[str, tuple[str, str]]
) -> list[Refusal]:
    """Releases of which nobody says what they need, of products that do need something."""
    needy = {
        name for name, one in catalog.products.items() if any(map(_wants, one.releases.values()))
    }
    return [
        Refusal(
            facility=facility, host=host, gate="needs",
            because=f"what {product} {release} needs is not known: the catalog does not list it",
            hint=f"list it in catalog.yml, then: wardship plan {facility}",
        )
        for host, (product, release) in after.items()
        if product in needy and release not in catalog.products[product].releases
    ]  # fmt: skip


def _wants(release: Release) -> bool:
    return bool(release.needs)


def _after(
    fleet: Fleet, facility: str, found: Mapping[str, HostSurvey]
) -> dict[str, tuple[str, str]]:
    """By host, the product and what it will run: as ordered, else as found."""
    hosts = fleet.facilities[facility].hosts
    orders = {
        name: fleet.mandate.release_for(facility, host.product) for name, host in hosts.items()
    }
    return {
        name: (host.product, orders[name] or found[name].release)
        for name, host in hosts.items()
        if orders[name] or name in found
    }


def sets(catalog: Catalog, changes: Sequence[HostChange]) -> list[tuple[HostChange, ...]]:
    """The changes of a facility, those together that need one another; what is needed first."""
    left, found = list(changes), []
    while left:
        together = [left.pop(0)]
        while more := [one for one in left if any(_joined(catalog, one, two) for two in together)]:
            together += more
            left = [one for one in left if one not in more]
        together.sort(key=changes.index)
        found.append(_waiting_for_one_another(tuple(_in_order(catalog, together))))
    return found


def _in_order(catalog: Catalog, together: Sequence[HostChange]) -> Iterator[HostChange]:
    """Each after what it needs; the catalog's rules know of no circle."""
    left = list(together)
    while left:
        ready = next(
            (one for one in left if not any(_depends(catalog, one, other) for other in left)),
            left[0],
        )
        left.remove(ready)
        yield ready


def _joined(catalog: Catalog, one: HostChange, other: HostChange) -> bool:
    return _depends(catalog, one, other) or _depends(catalog, other, one)


def _depends(catalog: Catalog, one: HostChange, other: HostChange) -> bool:
    """Whether one needs the other's product, as it is or as it will be."""
    return one is not other and any(
        other.product in _needs(catalog, one.product, release)
        for release in (one.from_release, *(hop.release for hop in one.hops), one.to_release)
    )


def _needs(catalog: Catalog, product: str, release: str) -> Mapping[str, str]:
    entry = catalog.products.get(product)
    known = entry.releases.get(release) if entry else None
    return known.needs if known else {}


def _waiting_for_one_another(hosts: tuple[HostChange, ...]) -> tuple[HostChange, ...]:
    """No door of a set opens before all are ready: each is out as long as all of them take."""
    outages = [host.outage for host in hosts if host.outage]
    if len(hosts) == 1 or len(outages) < len(hosts):
        return hosts
    known = [one.seconds for one in outages if one.seconds is not None]
    told = [f"{host.host}: {one.source}" for host, one in zip(hosts, outages, strict=True)]
    outage = Outage(
        seconds=sum(known) if len(known) == len(hosts) else None,
        bound=sum(one.bound for one in outages),
        basis=max((one.basis for one in outages), key=_BASES.index),
        source=f"one after another ({'; '.join(told)})",
    )
    return tuple(host.model_copy(update={"outage": outage}) for host in hosts)

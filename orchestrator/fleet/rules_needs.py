"""What products need of one another: known products, no circle, and a port for the word on it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from orchestrator.fleet.declared import Declared
from orchestrator.fleet.problems import Problem


def needs_are_known(d: Declared) -> Iterator[Problem]:
    """A release needs other products, which the catalog has."""
    for name, product in d.catalog.products.items() if d.catalog else ():
        for release, entry in product.releases.items():
            for needed in entry.needs:
                loc = ("products", name, "releases", release, "needs", needed)
                known = ", ".join(sorted(set(d.catalog.products) - {name})) if d.catalog else ""
                if needed == name or (d.catalog and needed not in d.catalog.products):
                    text = f"no other product {needed} in the catalog, expected one of {known}"
                    yield d.at("catalog.yml", loc, text)


def needs_form_no_circle(d: Declared) -> Iterator[Problem]:
    """What is needed is changed first, so there must be a first."""
    if d.catalog is None:
        return
    needs = {
        name: {needed for entry in product.releases.values() for needed in entry.needs} - {name}
        for name, product in d.catalog.products.items()
    }
    for name in needs:
        reached, ahead = set[str](), set(needs[name])
        while ahead:
            one = ahead.pop()
            reached.add(one)
            ahead |= needs.get(one, set()) - reached
        if name in reached:
            text = f"{name} needs what needs {name}, expected an order in which they can change"
            yield d.at("catalog.yml", ("products", name), text)


def anchor_port_is_free(d: Declared) -> Iterator[Problem]:
    """The port of a set's anchor is none of a product's, and none of what parks for it."""
    port = d.settings.anchor_port if d.settings else None
    for file, _, name, host in d.hosts():
        used = {kind: getattr(host, kind) for kind in ("dicom", "web", "hl7")}
        taken = {kind: {one.port} for kind, one in used.items() if one is not None}
        parking = host.parking or (d.settings.parking if d.settings else None)
        if parking and host.parking is not False and host.dicom:
            taken["parking"] = {parking.port, parking.port + 1}
        for kind, ports in taken.items():
            if port in ports:
                loc = ("hosts", name, kind) if getattr(host, kind, None) else ("hosts", name)
                text = f"port {port} is the fleet's anchor_port, choose another for one of them"
                yield d.at(file, loc, text)


def hosts_reach_one_another(d: Declared) -> Iterator[Problem]:
    """Where one product needs another, their hosts ask each other by the declared address."""
    releases = [
        (name, entry)
        for name, product in (d.catalog.products.items() if d.catalog else ())
        for entry in product.releases.values()
    ]
    joined = {one for name, entry in releases if entry.needs for one in (name, *entry.needs)}
    for file, facility, name, host in d.hosts():
        products = {one.product for one in facility.hosts.values()} & joined
        if host.product in joined and len(products) > 1 and not _is_ipv4(host.address):
            text = (
                f"{host.address} is asked by other hosts of the facility, which change with it, "
                "expected its IPv4 address"
            )
            yield d.at(file, ("hosts", name, "address"), text)


def _is_ipv4(address: str) -> bool:
    try:
        IPv4Address(address)
    except ValueError:
        return False
    return True

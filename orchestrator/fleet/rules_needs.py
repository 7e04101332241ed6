"""What products need of one another: known products, no circle, and a port for the word on it."""

from __future__ import annotations

from collections.abc import Iterator

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
    """The port of a set's anchor is none of a product's."""
    port = d.settings.anchor_port if d.settings else None
    for file, _, name, host in d.hosts():
        for kind in ("dicom", "web", "hl7"):
            endpoint = getattr(host, kind)
            if endpoint is not None and endpoint.port == port:
                text = f"port {port} is the fleet's anchor_port, choose another for one of them"
                yield d.at(file, ("hosts", name, kind), text)

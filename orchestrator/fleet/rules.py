"""What must hold between the parts of a declaration. Pure but for a look at the depot's sizes.

Each rule yields every problem that it finds; a part that did not hold by itself is left out, so
that one mistake is not told twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

from orchestrator.fleet import rules_needs, rules_parking, rules_role, rules_tls
from orchestrator.fleet.declared import Declared
from orchestrator.fleet.mandate import Order
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlreader import Loc

#: A file and the part of it: what line that is, is looked up only for a problem.
Place = tuple[str, Loc]
#: The probe's AE title (see docs/adr): declared by wardship itself at every PACS.
PROBE = "WARDSHIP"


def problems_between(declared: Declared) -> list[Problem]:
    """Every problem of every rule."""
    return [problem for rule in RULES for problem in rule(declared)]


def _file_name_is_facility(d: Declared) -> Iterator[Problem]:
    for stem, facility in d.facilities.items():
        if facility.facility != stem:
            text = f"facility {facility.facility}, expected {stem} as the file is named"
            yield d.at(f"facilities/{stem}.yml", ("facility",), text)


def _names_are_free(d: Declared) -> Iterator[Problem]:
    for file, facility, name, _ in d.hosts():
        if name in ("all", "ungrouped", "localhost"):
            yield d.at(file, ("hosts", name), f"{name} means something else to Ansible, rename it")
        if name == facility.facility:
            yield d.at(file, ("hosts", name), f"host {name} is named as its facility, rename it")


def _hosts_are_declared_once(d: Declared) -> Iterator[Problem]:
    first: dict[str, Place] = {}
    for file, _, name, _ in d.hosts():
        if name in first:
            before = d.where(*first[name])
            text = f"host {name} is declared in {before} too, expected a name of its own"
            yield d.at(file, ("hosts", name), text)
        first.setdefault(name, (file, ("hosts", name)))


def _addresses_are_declared_once(d: Declared) -> Iterator[Problem]:
    """Behind different jump hosts the same private address is another machine."""
    first: dict[tuple[str, str | None, int], Place] = {}
    for file, _, name, host in d.hosts():
        ssh = host.ssh or (d.settings.ssh if d.settings else None)
        key = (_normal(host.address), ssh.jump if ssh else None, ssh.port if ssh else 22)
        loc = ("hosts", name, "address")
        if key in first:
            before = d.where(*first[key])
            text = f"address {host.address} is declared in {before} too, expected one host each"
            yield d.at(file, loc, text)
        first.setdefault(key, (file, loc))


def _normal(address: str) -> str:
    try:
        return str(ip_address(address))
    except ValueError:
        return address.lower().rstrip(".")


def _products_are_in_the_catalog(d: Declared) -> Iterator[Problem]:
    if d.catalog is None:
        return
    known = ", ".join(sorted(d.catalog.products))
    for file, _, name, host in d.hosts():
        if host.product not in d.catalog.products:
            text = f"no product {host.product} in the catalog, expected one of {known}"
            yield d.at(file, ("hosts", name, "product"), text)


def _upgrades_start_from_older_releases(d: Declared) -> Iterator[Problem]:
    for name, product in d.catalog.products.items() if d.catalog else ():
        for release, entry in product.releases.items():
            for at, origin in enumerate(entry.upgrades_from):
                loc = ("products", name, "releases", release, "upgrades_from", at)
                if origin not in product.releases:
                    known = ", ".join(product.releases)
                    text = f"no release {origin} of {name}, expected one of {known}"
                    yield d.at("catalog.yml", loc, text)
                elif in_version_order(origin) >= in_version_order(release):
                    text = f"{origin} is not older than {release}, expected older releases"
                    yield d.at("catalog.yml", loc, text)


def in_version_order(release: str) -> tuple[tuple[int, int | str], ...]:
    """A key that sorts releases as people do: numbers as numbers, ``~`` before everything."""
    parts = re.findall(r"\d+|[A-Za-z]+|~", release)
    ranked = (
        (2, int(part)) if part.isdigit() else (3 if part != "~" else 0, part) for part in parts
    )
    return (*ranked, (1, 0))


def _orders_can_be_carried_out(d: Declared) -> Iterator[Problem]:
    for at, order in enumerate(d.mandate.orders if d.mandate else ()):
        product = d.catalog.products.get(order.product) if d.catalog else None
        if d.catalog and product is None:
            known = ", ".join(sorted(d.catalog.products))
            text = f"no product {order.product} in the catalog, expected one of {known}"
            yield d.at("mandate.yml", ("orders", at, "product"), text)
        if product and order.release not in product.releases:
            known = ", ".join(product.releases)
            text = f"no release {order.release} of {order.product}, expected one of {known}"
            yield d.at("mandate.yml", ("orders", at, "release"), text)
        yield from _named_facilities(d, at, order)


def _named_facilities(d: Declared, at: int, order: Order) -> Iterator[Problem]:
    for index, name in enumerate(() if order.facilities == "all" else order.facilities):
        loc = ("orders", at, "facilities", index)
        if name not in d.facility_names:
            known = ", ".join(sorted(d.facility_names))
            yield d.at("mandate.yml", loc, f"no facility {name}, expected one of {known}")
            continue
        facility = d.facilities.get(name)
        products = {host.product for host in facility.hosts.values()} if facility else set()
        if facility and order.product not in products:
            text = f"{name} has no host with {order.product}, expected one there"
            yield d.at("mandate.yml", loc, text)


def _one_order_a_product_and_facility(d: Declared) -> Iterator[Problem]:
    first: dict[tuple[str, str], int] = {}
    for at, order in enumerate(d.mandate.orders if d.mandate else ()):
        named = d.facility_names if order.facilities == "all" else set(order.facilities)
        twice = sorted(name for name in named if (order.product, name) in first)
        if twice:
            before = d.where("mandate.yml", ("orders", first[order.product, twice[0]]))
            text = (
                f"{order.product} at {', '.join(twice)} is ordered in {before} too,"
                " expected one order"
            )
            yield d.at("mandate.yml", ("orders", at), text)
        for name in named:
            first.setdefault((order.product, name), at)


def _ae_titles_are_unique(d: Declared) -> Iterator[Problem]:
    for stem, facility in d.facilities.items():
        file = f"facilities/{stem}.yml"
        first: dict[str, Place] = {}
        for name, host in facility.hosts.items():
            if host.dicom is None:
                continue
            loc, title = ("hosts", name, "dicom", "ae_title"), host.dicom.ae_title
            if title == PROBE:
                yield d.at(file, loc, f"{PROBE} is the probe's own AE title, choose another")
            elif title in first:
                before = d.where(*first[title])
                text = f"AE title {title} is declared in {before} too, expected a unique one"
                yield d.at(file, loc, text)
            first.setdefault(title, (file, loc))


def _modalities_are_unique(d: Declared) -> Iterator[Problem]:
    for file, _, name, host in d.hosts():
        first: dict[str, Place] = {}
        for at, modality in enumerate(host.modalities):
            loc, title = ("hosts", name, "modalities", at, "ae_title"), modality.ae_title
            if title == PROBE:
                yield d.at(file, loc, f"{PROBE} is the probe's own AE title, choose another")
            elif host.dicom and title == host.dicom.ae_title:
                yield d.at(file, loc, f"{title} is the AE title of {name} itself, choose another")
            elif title in first:
                before = d.where(*first[title])
                yield d.at(file, loc, f"modality {title} is declared in {before} too")
            first.setdefault(title, (file, loc))


def _depot_is_inside(d: Declared) -> Iterator[Problem]:
    if d.settings and not _is_inside(d, d.directory / Path(d.settings.depot).expanduser()):
        text = f"depot: {d.settings.depot} leaves the fleet directory, expected a directory inside"
        yield d.at("fleet.yml", ("depot",), text)


def _is_inside(d: Declared, path: Path) -> bool:
    """Whether a path, its links followed, is the fleet's own."""
    try:
        return path.resolve().is_relative_to(d.directory)
    except (OSError, RuntimeError):  # a loop of links
        return False


def _gates_name_what_is_there(d: Declared) -> Iterator[Problem]:
    """Checklists are of products that the catalog has; what is confirmed is on one."""
    lists = d.settings.gates.checklists if d.settings else {}
    for product in lists if d.catalog else ():
        if d.catalog and product not in d.catalog.products:
            text = f"no product {product} in the catalog"
            yield d.at("fleet.yml", ("gates", "checklists", product), text)
    for file, _, name, host in d.hosts():
        known = lists.get(host.product, {})
        for item in host.gates.confirmed:
            if item not in known:
                expected = ", ".join(known) or "none declared in fleet.yml"
                text = f"no checklist item {item} for {host.product}, expected: {expected}"
                yield d.at(file, ("hosts", name, "gates", "confirmed", item), text)


Rule = Callable[[Declared], Iterator[Problem]]
RULES: tuple[Rule, ...] = (
    _file_name_is_facility,
    _depot_is_inside,
    _names_are_free,
    _hosts_are_declared_once,
    _addresses_are_declared_once,
    _products_are_in_the_catalog,
    _upgrades_start_from_older_releases,
    rules_needs.needs_are_known,
    rules_needs.needs_form_no_circle,
    rules_needs.anchor_port_is_free,
    rules_needs.hosts_reach_one_another,
    _orders_can_be_carried_out,
    _gates_name_what_is_there,
    _one_order_a_product_and_facility,
    rules_role.settings_are_options,
    rules_role.required_options_are_given,
    rules_role.services_are_declared,
    rules_role.secrets_are_options,
    rules_role.volumes_are_known,
    rules_role.databases_are_known,
    _ae_titles_are_unique,
    _modalities_are_unique,
    rules_role.vault_is_a_vault,
    rules_role.secrets_exist,
    rules_role.vault_names_are_not_hidden,
    rules_tls.certificates_are_there,
    rules_tls.probe_keys_are_private,
    rules_tls.roles_can_do_tls,
    rules_parking.parking_is_possible,
)


def depot_problems(d: Declared) -> tuple[list[Problem], list[str]]:
    """Artifacts that are ordered and not in the depot with their size; notes on the rest."""
    problems: list[Problem] = []
    notes: list[str] = []
    if d.catalog is None or d.settings is None:
        return problems, notes
    ordered = {(o.product, o.release) for o in (d.mandate.orders if d.mandate else ())}
    depot = d.directory / Path(d.settings.depot).expanduser()
    if not _is_inside(d, depot):
        return problems, notes
    for name, product in d.catalog.products.items():
        for release, entry in product.releases.items():
            path = depot / entry.artifact.file
            is_inside = _is_inside(d, path)
            found = _size(path) if is_inside else None
            if found == entry.artifact.size:
                continue
            text = f"{entry.artifact.file} is not in {d.settings.depot}, expected it there"
            if found is not None:
                text = f"{path.name} has {found} bytes, expected {entry.artifact.size}"
            if not is_inside:
                text = f"{path.name} is a link that leaves the fleet directory, expected a file"
            loc = ("products", name, "releases", release, "artifact")
            if (name, release) in ordered or found is not None or not is_inside:
                problems.append(d.at("catalog.yml", loc, text))
            else:
                notes.append(f"{d.where('catalog.yml', loc)}: {text} (not ordered now)")
    return problems, notes


def _size(path: Path) -> int | None:
    """Of a file, in bytes; None where there is none, or none that can be looked at."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None

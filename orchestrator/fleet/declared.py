"""A declaration as read, before it is known to hold: what the rules look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.fleet.catalog import Catalog, Product
from orchestrator.fleet.mandate import Mandate
from orchestrator.fleet.model import Facility, FleetSettings, Host, SecretRef
from orchestrator.fleet.problems import Problem
from orchestrator.fleet.roles import RoleFiles
from orchestrator.fleet.yamlfile import Document
from orchestrator.fleet.yamlreader import Loc


@dataclass(frozen=True)
class Declared:
    """All that was read; ``facility_names`` has also those that do not hold by themselves."""

    directory: Path
    settings: FleetSettings | None
    catalog: Catalog | None
    mandate: Mandate | None
    facilities: Mapping[str, Facility]
    facility_names: frozenset[str]
    roles: Mapping[str, RoleFiles]
    documents: Mapping[str, Document]
    vault_names: frozenset[str] | None = None

    def at(self, file: str, loc: Loc, text: str) -> Problem:
        """A problem at this place of this file."""
        return self.documents[file].problem(loc, text)

    def where(self, file: str, loc: Loc) -> str:
        """``file:line``, to point from one problem to another place."""
        return f"{file}:{self.documents[file].line(loc)}"

    def hosts(self) -> Iterator[tuple[str, Facility, str, Host]]:
        """Each host with the file and the facility that it is in."""
        for stem, facility in self.facilities.items():
            for name, host in facility.hosts.items():
                yield f"facilities/{stem}.yml", facility, name, host

    def secrets(self) -> Iterator[tuple[str, Loc, SecretRef]]:
        """Each reference to a secret, and where it stands."""
        for file, _, name, host in self.hosts():
            for secret, ref in host.secrets.items():
                yield file, ("hosts", name, "secrets", secret), ref
            if host.web and host.web.password:
                yield file, ("hosts", name, "web", "password"), host.web.password
            tls = host.dicom.tls if host.dicom else None
            if tls and tls.probe and tls.probe.key:
                yield file, ("hosts", name, "dicom", "tls", "probe", "key"), tls.probe.key

    def product(self, host: Host) -> Product | None:
        """The host's product, where the catalog has it."""
        return self.catalog.products.get(host.product) if self.catalog else None

    def role(self, host: Host) -> RoleFiles | None:
        """The role of the host's product, where there is one."""
        product = self.product(host)
        return self.roles.get(product.role) if product else None

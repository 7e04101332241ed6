"""Reads a fleet directory into a ``Fleet``, or tells every problem of it at once.

Decides nothing about releases or hosts; what must hold between files is in ``rules``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator import resources
from orchestrator.errors import FleetError
from orchestrator.fleet.catalog import Catalog
from orchestrator.fleet.declared import Declared
from orchestrator.fleet.explain import explain
from orchestrator.fleet.mandate import Mandate
from orchestrator.fleet.model import Facility, Fleet, FleetSettings, VaultSettings
from orchestrator.fleet.problems import Problem, in_order
from orchestrator.fleet.roles import RoleFiles, read_role
from orchestrator.fleet.rules import depot_problems, problems_between
from orchestrator.fleet.yamlfile import Document, parse_yaml, read_yaml

M = TypeVar("M", bound=BaseModel)

#: The names in a vault file, or None where it cannot be opened here.
VaultNames = Callable[[Path, VaultSettings], Collection[str] | None]


def _not_opened(_directory: Path, _vault: VaultSettings) -> None:
    """The vault stays closed."""


@dataclass(frozen=True)
class Checked:
    """A fleet without a problem, and what could not be looked at."""

    fleet: Fleet
    notes: tuple[str, ...]


def load(directory: Path, *, roles: Path | None = None) -> Fleet:
    """The fleet declared in ``directory``. The vault is not opened, the depot is not looked at.

    Raises:
        FleetError: with every problem, each as ``file:line: what, expected what``.
    """
    declared, problems = _read(directory, roles or resources.roles(), _not_opened, {})
    return _fleet(declared, problems)


def check(
    directory: Path,
    *,
    vault_names: VaultNames,
    roles: Path | None = None,
    proposed: Mapping[str, str] | None = None,
) -> Checked:
    """As ``load``, and looks whether the secrets and the ordered releases' artifacts are there.

    ``proposed``: facilities' files by name that are not written yet, in place of those that are.

    Raises:
        FleetError: with every problem.
    """
    declared, problems = _read(directory, roles or resources.roles(), vault_names, proposed or {})
    missing, notes = depot_problems(declared)
    fleet = _fleet(declared, problems + missing)
    uses_vault = any(ref.vault for _, _, ref in declared.secrets())
    if fleet.settings.vault and uses_vault and declared.vault_names is None:
        notes.append(
            f"{fleet.settings.vault.file}: not opened (no password here), so it was not checked"
            " whether the secrets are in it"
        )
    return Checked(fleet, tuple(notes))


@dataclass(frozen=True)
class Foundations:
    """What a facility is declared upon."""

    settings: FleetSettings
    catalog: Catalog
    mandate: Mandate
    roles: Mapping[str, RoleFiles]


def foundations(directory: Path, *, roles: Path | None = None) -> Foundations:
    """All of a fleet but its facilities, which need not hold, and need not be there.

    Raises:
        FleetError: with every problem of these files.
    """
    declared, problems = _read(directory, roles or resources.roles(), _not_opened, {})
    settings, catalog, mandate = declared.settings, declared.catalog, declared.mandate
    own = [each for each in problems if not each.file.startswith("facilities")]
    if settings is None or catalog is None or mandate is None:
        raise _refused(declared, own)
    return Foundations(settings, catalog, mandate, declared.roles)


def _refused(declared: Declared, problems: list[Problem]) -> FleetError:
    count = len(set(problems))
    return FleetError(
        f"{declared.directory}: {count} problem{'s' if count != 1 else ''} in the declaration",
        hint="mend them, then: wardship fleet check",
        problems=in_order(problems),
    )


def _fleet(declared: Declared, problems: list[Problem]) -> Fleet:
    settings, catalog, mandate = declared.settings, declared.catalog, declared.mandate
    if problems or settings is None or catalog is None or mandate is None:
        raise _refused(declared, problems)
    fleet = Fleet(
        directory=declared.directory,
        settings=settings,
        facilities=declared.facilities,
        catalog=catalog,
        mandate=mandate,
        roles={name: files.role for name, files in declared.roles.items()},
        digest="",
    )
    return fleet.model_copy(update={"digest": digest_of(fleet)})


def digest_of(fleet: Fleet) -> str:
    """SHA-256 over what is declared, however it is spelled; secrets are references in it."""
    body = fleet.model_dump(mode="json", exclude={"directory", "digest", "facilities"})
    digest = hashlib.sha256(_canonical(body))
    # One facility after another: a whole country as one text takes more room than the fleet.
    for name in sorted(fleet.facilities):
        digest.update(_canonical({name: fleet.facilities[name].model_dump(mode="json")}))
    return digest.hexdigest()


def _canonical(body: Mapping[str, object]) -> bytes:
    """As a line of JSON."""
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _read(
    directory: Path, roles: Path, vault_names: VaultNames, proposed: Mapping[str, str]
) -> tuple[Declared, list[Problem]]:
    try:
        return _read_whole(directory, roles, vault_names, proposed)
    except OSError as error:
        raise FleetError(
            f"{error.filename or directory}: cannot be read ({error.strerror})",
            hint="let the user who runs wardship read it, then: wardship fleet check",
        ) from error


def _read_whole(
    directory: Path, roles: Path, vault_names: VaultNames, proposed: Mapping[str, str]
) -> tuple[Declared, list[Problem]]:
    if not directory.is_dir():
        raise FleetError(
            f"{directory}: no such directory",
            hint="name the fleet's directory: wardship --fleet DIR …, or set WARDSHIP_FLEET",
        )
    if not (directory / "fleet.yml").exists():
        raise FleetError(
            f"{directory}: no fleet.yml in it, so it is not a fleet",
            hint="name the fleet's directory: wardship --fleet DIR …, or set WARDSHIP_FLEET",
        )
    reading = _Reading(directory.resolve(), proposed)
    settings = reading.file("fleet.yml", FleetSettings)
    catalog = reading.file("catalog.yml", Catalog)
    mandate = reading.file("mandate.yml", Mandate)
    facilities, names = reading.facilities()
    declared = Declared(
        directory=reading.directory,
        settings=settings,
        catalog=catalog,
        mandate=mandate,
        facilities=facilities,
        facility_names=names,
        roles=reading.roles(roles, catalog) if catalog else {},
        documents=reading.documents,
        vault_names=reading.vault_names(settings, vault_names),
    )
    return declared, reading.problems + problems_between(declared)


class _Reading:
    """Files one after another, problems collected."""

    def __init__(self, directory: Path, proposed: Mapping[str, str]) -> None:
        self.directory = directory
        self.proposed = proposed
        self.documents: dict[str, Document] = {}
        self.problems: list[Problem] = []

    def file(self, name: str, model: type[M]) -> M | None:
        if (text := self.proposed.get(name)) is not None:
            document, problems = parse_yaml(name, text)
        else:
            document, problems = read_yaml(self.directory, name)
        self.problems += problems
        if document is None:
            return None
        # A thousand files as plain values are not kept beside the models made of them.
        self.documents[name] = replace(document, value=None)
        try:
            return model.model_validate(document.value)
        except ValidationError as error:
            self.problems += explain(document, model, error)
            return None

    def vault_names(
        self, settings: FleetSettings | None, names_of: VaultNames
    ) -> frozenset[str] | None:
        """The names in the vault; None where it was not opened."""
        vault = settings.vault if settings else None
        if vault is None or not (self.directory / vault.file).is_file():
            return None
        try:
            names = names_of(self.directory, vault)
        except FleetError as error:
            document = self.documents["fleet.yml"]
            self.problems.append(document.problem(("vault", "file"), error.what))
            return None
        return None if names is None else frozenset(names)

    def facilities(self) -> tuple[dict[str, Facility], frozenset[str]]:
        """The facilities that hold by themselves, and the names of all that have a file."""
        folder = self.directory / "facilities"
        found: dict[str, Facility] = {}
        names: set[str] = set()
        there = {*folder.iterdir()} if folder.is_dir() else set()
        proposed = {self.directory / name for name in self.proposed}
        for path in sorted(there | proposed):
            if path.name.startswith(".") or path.suffix == ".md":
                continue
            name = f"facilities/{path.name}"
            is_file = path in proposed or path.is_file()
            if path.suffix != ".yml" or not is_file:
                self.problems.append(Problem(name, 1, "not a facility, expected a file NAME.yml"))
                continue
            names.add(path.stem)
            if facility := self.file(name, Facility):
                found[path.stem] = facility
        if not names:
            self.problems.append(
                Problem("facilities", 1, "no facility here, expected a file NAME.yml for each")
            )
        return found, frozenset(names)

    def roles(self, roles: Path, catalog: Catalog) -> dict[str, RoleFiles]:
        found: dict[str, RoleFiles] = {}
        for product, entry in catalog.products.items():
            if entry.role in found:
                continue
            if not (roles / entry.role).is_dir():
                text = f"no role {entry.role}, expected one of {_listed(roles)}"
                document = self.documents["catalog.yml"]
                self.problems.append(document.problem(("products", product, "role"), text))
                continue
            files, problems = read_role(roles, entry.role)
            self.problems += [Problem(f"roles/{p.file}", p.line, p.text) for p in problems]
            if files:
                found[entry.role] = files
        return found


def _listed(roles: Path) -> str:
    found = sorted(path.parent.parent.name for path in roles.glob("*/meta/wardship.yml"))
    return ", ".join(found) or "the shipped ones (there is none)"

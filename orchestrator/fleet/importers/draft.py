"""Rows as facilities' files that are not written yet, each value with the cell that it came from.

Decides what belongs to which facility and host, and what is filled in where a list is silent:
references to the secrets that a role needs. Whether the result holds is ``fleet.load``'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrator.fleet.importers import values
from orchestrator.fleet.importers.columns import COLUMNS, FAMILIES, KINDS, Column
from orchestrator.fleet.importers.rows import Cell, Row, Told, shown, tell
from orchestrator.fleet.load import Foundations
from orchestrator.fleet.roles import RoleFiles, is_reserved
from orchestrator.fleet.yamlreader import Loc

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_WANTED_NAME = "small letters, digits and '-', a letter first, at most 40"
_COLUMN = {column.name: column for column in COLUMNS}


@dataclass(frozen=True)
class Wish:
    """A release that a list names for a host."""

    facility: str
    product: str
    release: str
    cell: Cell


@dataclass
class Draft:
    """What would be declared. ``origins``: by facility, then by place, the cell.

    ``is_whole``: whether every row has its place. If not, one of those may have what seems missing.
    """

    foundations: Foundations
    facilities: dict[str, dict[str, object]] = field(default_factory=dict)
    origins: dict[str, dict[Loc, Cell]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    is_whole: bool = True

    def leave_out(self, told: Told) -> None:
        """A row has no place."""
        self.told.append(told)
        self.is_whole = False

    def put(self, facility: str, loc: Loc, value: object, cell: Cell) -> None:
        """A value at its place; mappings on the way are made, a list is only ever added to."""
        here: object = self.facilities[facility]
        for at, part in enumerate(loc):
            last = at == len(loc) - 1
            if isinstance(here, list):
                assert isinstance(part, int)
                if part == len(here):
                    here.append(value if last else {})
                here = here[part]
            else:
                assert isinstance(here, dict)
                fresh: object = [] if not last and isinstance(loc[at + 1], int) else {}
                here = here.setdefault(part, value if last else fresh)
            self.origins[facility].setdefault(loc[: at + 1], cell)
        self.origins[facility][loc] = cell
        if isinstance(value, dict | list):
            inside = value if isinstance(value, dict) else range(len(value))
            self.origins[facility] |= {(*loc, part): cell for part in inside}

    def take(self, facility: str, loc: Loc, row: Row, column: Column) -> None:
        """A cell's value to its place, if something is in it."""
        cell = row.get(column.name)
        if cell is None:
            return
        forms = {
            "number": values.number,
            "yes or no": values.yes_or_no,
            "reference": values.reference,
        }
        self.given(facility, loc, cell, forms.get(column.form, values.text)(cell))

    def given(self, facility: str, loc: Loc, cell: Cell, taken: values.Taken) -> None:
        """A value that was taken from a cell to its place, and what is wrong with it."""
        value, told = taken
        if told:
            self.told.append(told)
        if value is not None:
            self.put(facility, loc, value, cell)


def draft(rows: Iterable[Row], foundations: Foundations) -> Draft:
    """What the rows declare: hosts first, then the AEs that they know."""
    made = Draft(foundations)
    of_kind: dict[str, list[tuple[str, Row]]] = {kind: [] for kind in KINDS}
    for row in rows:
        kind, facility = _kind(made, row), _facility(made, row)
        if kind:
            _refuse_what_is_of_another_kind(made, row, kind)
        if kind and facility:
            of_kind[kind].append((facility, row))
    first: dict[str, Cell] = {}
    for facility, row in of_kind["host"]:
        _host(made, facility, row, first)
    for facility, row in sorted(
        of_kind["modality"] + of_kind["workstation"], key=lambda each: each[1].name.order
    ):
        _ae(made, facility, row)
    return made


def _kind(made: Draft, row: Row) -> str | None:
    cell = row.get("kind")
    wanted = f"expected {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    if cell is None:
        made.leave_out(tell(row.name, f"kind: missing in this row, {wanted}"))
        return None
    said = str(cell.value).strip().lower()
    if said not in KINDS:
        made.leave_out(tell(cell, f"kind: {shown(cell.value)}, {wanted}"))
        return None
    return said


def _facility(made: Draft, row: Row) -> str | None:
    """The row's facility, with what the row says of it."""
    cell = row.get("facility")
    if cell is None:
        made.leave_out(tell(row.name, "facility: missing in this row, expected its name"))
        return None
    value, told = values.text(cell)
    name = str(value)
    if told is None and not _NAME.fullmatch(name):
        told = tell(cell, f"facility: {shown(name)}, expected {_WANTED_NAME}")
    if told:
        made.leave_out(told)
        return None
    if name not in made.facilities:
        made.facilities[name], made.origins[name] = {}, {}
        made.put(name, ("facility",), name, cell)
    for key in ("title", "country", "timezone"):
        _say_once(made, name, key, row)
    return name


def _say_once(made: Draft, facility: str, key: str, row: Row) -> None:
    cell = row.get(key)
    before = made.origins[facility].get((key,))
    if cell is None or before is None:
        made.take(facility, (key,), row, _COLUMN[key])
        return
    value, told = values.text(cell)
    said = made.facilities[facility][key]
    if told:
        made.told.append(told)
    elif value != said:
        text = f"{key}: {shown(cell.value)}, but {before.where} says {shown(str(said))} for"
        made.told.append(tell(cell, f"{text} {facility} too, expected one of them"))


def _refuse_what_is_of_another_kind(made: Draft, row: Row, kind: str) -> None:
    of = "host" if kind == "host" else "ae"
    for name in row.cells:
        cell = row.get(name)
        rows = (_COLUMN.get(name) or FAMILIES[name.partition(":")[0]]).rows
        if cell and rows not in ("any", of):
            told = f"{name}: does not belong into a row of kind {kind}, expected it empty"
            made.told.append(tell(cell, told))


def _host(made: Draft, facility: str, row: Row, first: dict[str, Cell]) -> None:
    cell = row.get("host")
    if cell is None:
        made.leave_out(tell(row.name, "host: missing in this row, expected the host's name"))
        return
    value, told = values.text(cell)
    name = str(value)
    if told is None and name in first:
        told = tell(cell, f"host {shown(name)} is in {first[name].where} too, expected it once")
    if told:
        made.leave_out(told)
        return
    first[name] = cell
    here: Loc = ("hosts", name)
    made.put(facility, here, {}, cell)
    made.take(facility, (*here, "address"), row, _COLUMN["address"])
    _ssh(made, facility, here, row)
    made.take(facility, (*here, "product"), row, _COLUMN["product"])
    for key in ("ae_title", "port"):
        made.take(facility, (*here, "dicom", key), row, _COLUMN[key])
    for key in ("web_port", "dicomweb", "web_user", "web_password"):
        made.take(facility, (*here, "web", key.removeprefix("web_")), row, _COLUMN[key])
    role = _role(made, row)
    _families(made, facility, here, row, role)
    if role:
        _fill_in(made, facility, here, cell, role)
    _wish(made, facility, row)


def _ssh(made: Draft, facility: str, here: Loc, row: Row) -> None:
    """A host's own settings replace all of the fleet's: what it does not say is repeated."""
    said = [key for key in ("user", "port", "jump") if row.get(f"ssh_{key}")]
    if not said:
        return
    fleet = made.foundations.settings.ssh.model_dump(exclude_defaults=True)
    for key in ("user", "port", "key", "jump", "become"):
        if key in said:
            made.take(facility, (*here, "ssh", key), row, _COLUMN[f"ssh_{key}"])
        elif key in fleet:
            cell = row.get(f"ssh_{said[0]}")
            assert cell
            made.put(facility, (*here, "ssh", key), fleet[key], cell)


def _role(made: Draft, row: Row) -> RoleFiles | None:
    cell = row.get("product")
    name = str(cell.value).strip() if cell else ""
    product = made.foundations.catalog.products.get(name)
    return made.foundations.roles.get(product.role) if product else None


def _families(made: Draft, facility: str, here: Loc, row: Row, role: RoleFiles | None) -> None:
    for column in row.cells:
        family, colon, name = column.partition(":")
        cell = row.get(column)
        if not colon or cell is None:
            continue
        loc = (*here, f"{family}s", name)
        if family == "setting":
            option = role.options.get("stage", {}).get(name) if role else None
            made.given(facility, loc, cell, values.setting(cell, option))
        else:
            made.take(facility, loc, row, FAMILIES[family]._replace(name=column))


def _fill_in(made: Draft, facility: str, here: Loc, cell: Cell, role: RoleFiles) -> None:
    """References to the secrets that the role needs and the list does not speak of."""
    origins = made.origins[facility]
    wanted = [
        (("secrets", name), name)
        for name, option in role.options.get("stage", {}).items()
        if option.required and option.secret and not is_reserved(name)
    ]
    user, password = role.option("wardship_web_user"), role.option("wardship_web_password")
    if user and user.required and (*here, "web", "user") not in origins:
        made.put(facility, (*here, "web", "user"), "wardship", cell)
    if password and password.required:
        wanted.append((("web", "password"), "web_password"))
    for loc, name in wanted:
        if (*here, *loc) not in origins:
            reference = _reference(made.foundations, str(here[-1]), name)
            made.put(facility, (*here, *loc), reference, cell)


def _reference(foundations: Foundations, host: str, secret: str) -> dict[str, str]:
    plain = re.sub(r"[^a-z0-9]", "_", f"{host}_{secret}".lower())
    return {"vault": plain} if foundations.settings.vault else {"env": plain.upper()}


def _wish(made: Draft, facility: str, row: Row) -> None:
    cell, product_cell = row.get("release"), row.get("product")
    if cell is None or product_cell is None:
        return
    value, told = values.text(cell)
    name = str(product_cell.value).strip()
    product = made.foundations.catalog.products.get(name)
    if told is None and product and value not in product.releases:
        known = ", ".join(product.releases)
        told = tell(cell, f"no release {shown(str(value))} of {name}, expected one of {known}")
    if told:
        made.told.append(told)
    else:
        made.wishes.append(Wish(facility, name, str(value), cell))


def _ae(made: Draft, facility: str, row: Row) -> None:
    hosts = made.facilities[facility].get("hosts", {})
    assert isinstance(hosts, dict)
    cell = row.get("host")
    name = str(values.text(cell)[0]) if cell else None
    if name is None and len(hosts) == 1:
        name = str(next(iter(hosts)))
    if (name is None or name not in hosts) and not made.is_whole:
        return
    if name is None or name not in hosts:
        listed = ", ".join(map(shown, hosts)) or "none in this list"
        said = "missing: which host knows it at" if name is None else f"no host {shown(name)} at"
        told = f"host: {said} {facility}, expected one of its rows of kind host: {listed}"
        made.told.append(tell(cell or row.name, told))
        return
    host = hosts[name]
    at = len(host.get("modalities", []))
    here: Loc = ("hosts", name, "modalities", at)
    made.put(facility, here, {}, row.name)
    for key in ("ae_title", "address", "port", "tls"):
        made.take(facility, (*here, key), row, _COLUMN[key])

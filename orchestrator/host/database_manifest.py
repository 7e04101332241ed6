"""The part of a manifest that names databases beside others in a PostgreSQL cluster (ADR 20)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, List, Sequence, Tuple

PROVIDER = "postgres"
#: Debian's unit of a cluster (postgresql-common(7)): version and name.
CLUSTER = re.compile(r"postgresql@([0-9]+)-([A-Za-z0-9._]+)\.service")
#: PostgreSQL cuts names at 63 bytes; ours are longer by a suffix.
DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}")
#: PostgreSQL's own.
OWN = ("postgres", "template0", "template1")
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


@dataclass(frozen=True)
class Database:
    """A database that is captured in its cluster. ``service``: that cluster's unit."""

    name: str
    database: str
    service: str

    @property
    def cluster(self) -> str:
        """As Debian's programs take it: ``15/main``."""
        found = CLUSTER.fullmatch(self.service)
        assert found is not None, self.service
        return f"{found[1]}/{found[2]}"


def parse(found: Sequence[Any]) -> Tuple[Database, ...]:
    """Read those that have no problems."""
    return tuple(Database(each["name"], each["database"], each["service"]) for each in found)


def problems(
    found: Any, *, provider: str, services: Sequence[str], volumes: Sequence[str]
) -> List[str]:
    """Everything that is wrong with them. Raises as a list does where it has another shape."""
    if provider != PROVIDER:
        return [f"databases are named, and the provider is {provider}"] if found else []
    if not found:
        return [f"the provider is {PROVIDER}, and no database is named"]
    wrong: List[str] = []
    for each in found:
        if set(each) != {"name", "database", "service"}:
            wrong.append(f"a database has {sorted(each)}")
            continue
        wrong += [
            f"{key} of a database is {each[key]!r}"
            for key, shape in (("name", NAME), ("database", DATABASE), ("service", CLUSTER))
            if not isinstance(each[key], str) or not shape.fullmatch(each[key])
        ]
        if each["database"] in OWN:
            wrong.append(f"{each['database']} is PostgreSQL's own database")
        if each["service"] in services:
            wrong.append(f"{each['service']} is to be stopped, and serves {each['database']}")
    if wrong:
        return wrong
    names = [*volumes, *(each["name"] for each in found)]
    wrong += [f"{name} is named twice" for name in sorted(set(names)) if names.count(name) > 1]
    places = [(each["service"], each["database"]) for each in found]
    twice = {place for place in places if places.count(place) > 1}
    return wrong + [f"database {name} is named twice" for _, name in sorted(twice)]

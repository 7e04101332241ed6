#!/usr/bin/python
"""Whether databases can be copied in their PostgreSQL: what is there, and whether there is room.

Changes nothing. What a copy would not have of a database the host program asks before it stops
anything (orchestrator/host/database_facts.py).
"""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: snapshot_postgres
short_description: Look at databases that are to be copied in their cluster
description: [Returns C(wardship.databases), and with O(refuse=true) C(wardship.refusals).]
options:
  databases: {type: dict, required: true, description: [The database by its name in the role.]}
  clusters: {type: dict, required: true, description: [Unit of its cluster, by the same names.]}
  min_free_mib: {type: int, default: 0, description: [Room that must be left, in MiB.]}
  refuse: {type: bool, default: false, description: [Whether reasons against are looked for.]}
author: [wardship]
"""

MIB = 1024 * 1024
UNIT = re.compile(r"postgresql@([0-9]+)-([A-Za-z0-9._]+)\.service")
ASKED = """
select current_setting('data_directory'), pg_database_size(oid)
from pg_database where datname = :'wanted'
"""


class ProblemError(Exception):
    """A database could not be looked at."""


def looked_at(module, name, database, service):
    """A database as found; sizes in bytes."""
    match = UNIT.fullmatch(service)
    if match is None:
        raise ProblemError(f"{service} is no unit of a PostgreSQL cluster")
    cluster = f"{match[1]}/{match[2]}"
    words = ["psql", "--cluster", cluster, "-XqAt", "--csv", "-v", "ON_ERROR_STOP=1"]
    words += ["-v", "VERBOSITY=terse", "-v", f"wanted={database}", "-d", "postgres", "-f", "-"]
    code, out, err = module.run_command(
        ["runuser", "-u", "postgres", "--", *words],
        data=ASKED,
        cwd="/",
        environ_update={"PGCONNECT_TIMEOUT": "20"},
    )
    if code:
        said = (err.strip().splitlines() or [f"exit code {code}"])[-1]
        raise ProblemError(f"PostgreSQL {cluster} does not say: {said}")
    rows = list(csv.reader(io.StringIO(out)))
    if len(rows) != 1:
        raise ProblemError(f"there is no database {database} in PostgreSQL {cluster}")
    directory, size = rows[0]
    room = os.statvfs(directory)
    return {
        "name": name,
        "database": database,
        "cluster": service,
        "directory": directory,
        "size": int(size),
        "free": room.f_frsize * room.f_bavail,
    }


def short(found, min_free_mib):
    """Where copies find too little room, told once for each file system."""
    on = {}
    for each in found:
        on.setdefault(Path(each["directory"]).stat().st_dev, []).append(each)
    for databases in on.values():
        needed = min_free_mib + sum(each["size"] for each in databases) // MIB
        free = databases[0]["free"] // MIB
        if free < needed:
            of = " and ".join(each["database"] for each in databases)
            yield f"{free} MiB free, a copy of database {of} needs {needed}"


def looked(module):
    """Databases, and reasons why one could not be looked at."""
    problems = []

    def found(name, database):
        try:
            return looked_at(module, name, database, module.params["clusters"].get(name, ""))
        except (ProblemError, OSError) as error:
            problems.append(str(error))
            return None

    seen = [found(*each) for each in sorted(module.params["databases"].items())]
    return [each for each in seen if each], problems


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "dict", "required": True},
            "clusters": {"type": "dict", "required": True},
            "min_free_mib": {"type": "int", "default": 0},
            "refuse": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    found, problems = looked(module)
    if module.params["refuse"]:
        refusals = [*problems, *short(found, module.params["min_free_mib"])]
        seen = [f"snapshot_postgres/{name}" for name in sorted(module.params["databases"])]
        module.exit_json(changed=False, wardship={"refusals": refusals, "looked": seen})
    module.exit_json(changed=False, wardship={"databases": found, "problems": problems})


if __name__ == "__main__":
    main()

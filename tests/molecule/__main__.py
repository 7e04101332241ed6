"""What the playbooks in ``molecule/`` call, one verb each: ``python -m tests.molecule VERB``.

The lab's name comes from ``WARDSHIP_MOLECULE_LAB``. What speaks against a scenario is told a line
each, and ends it.
"""

from __future__ import annotations

import os
import sys

from orchestrator.errors import WardshipError
from tests.lab.pacs import HOSTS
from tests.molecule import restore
from tests.molecule.site import ELSEWHERE, HOST, RIS_HOSTS, Site
from tests.molecule.verify import looked_at


def main(verb: str, *arguments: str) -> int:
    """Run a verb; 0 when nothing speaks against what it found."""
    lab = os.environ["WARDSHIP_MOLECULE_LAB"]
    site = Site(lab, ELSEWHERE.get(os.environ.get("MOLECULE_SCENARIO_NAME", ""), HOST))
    if verb == "create":
        wanted = {HOST, *ELSEWHERE.values()}
        site.demo.up(tuple(spec for spec in HOSTS if spec.name in wanted))
        for host in RIS_HOSTS:
            Site(lab, host).radiology.up()
        for host in sorted(wanted):
            Site(lab, host).create()
        return 0
    if verb in ("destroy", "reset"):
        {"destroy": site.lab.down, "reset": site.reset}[verb]()
        return 0
    site.enter()
    if verb == "verify":
        return _told(looked_at(site, *arguments))
    if verb == "compare":
        return _told(restore.compared(site))
    {"remember": restore.remember, "change": restore.change, "put-back": restore.put_back}[verb](
        site
    )
    return 0


def _told(against: list[str]) -> int:
    for line in against:
        print(f"✗ {line}")  # noqa: T201 - the scenario's output
    return 1 if against else 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except WardshipError as error:
        sys.exit(f"{error}\n{error.hint}".strip())

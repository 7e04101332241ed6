"""The messages of a broken fleet and the bytes of an inventory."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.inventory import render
from tests.builders import FLEET, a_fleet, facility_yaml
from tests.golden import assert_golden

A, B = "facilities/hospital-a.yml", "facilities/hospital-b.yml"

BROKEN = {
    "fleet.yml": 'fleet: Test\nssh: {usr: root, port: "22"}\nverify: &all {retrieves: 3}\n',
    "mandate.yml": (
        "mandate: x\norders:\n"
        "  - {product: orthanc, release: 1.12, facilities: some, by: 20261231}\n"
    ),
    A: facility_yaml("a", number=11)
    .replace("country: SZ", "country: NO\ncountry: SZ")
    .replace("{env: WEB_PASSWORD}", "written-down"),
    B: facility_yaml("b", number=12)
    .replace("facility: hospital-b", "facility: hospital-c")
    .replace("CT1", "WARDSHIP")
    .replace(
        "    secrets:\n",
        "    settings: {orthanc_plugins: 4}\n    secrets:\n      foo: {vault: x}\n",
    ),
    "facilities/hospital-d.yaml": "facility: hospital-d\n",
}


def test_every_problem_of_a_broken_fleet(tmp_path: Path) -> None:
    with pytest.raises(FleetError) as caught:
        a_fleet(tmp_path, BROKEN)
    said = [caught.value.what, *caught.value.problems, caught.value.hint, ""]
    assert_golden("fleet_problems.txt", "\n".join(said).replace(str(tmp_path), ""))


def test_the_inventory_of_a_hospital(tmp_path: Path) -> None:
    settings = "{orthanc_name: 'Clínica {{ 1 }}', orthanc_extra: {a: [1.5, 'no', '{% x']}}"
    text = (
        facility_yaml("a", number=11)
        .replace(
            "    secrets:\n",
            "    ssh: {user: admin, port: 2222, key: ~/.ssh/id, jump: gateway-a, become: true}\n"
            "    volumes: {live: /srv/live}\n"
            f"    settings: {settings}\n"
            "    secrets:\n",
        )
        .replace("{env: DATABASE_PASSWORD}", "{vault: pacs_a_database}")
    )
    vault = FLEET + "vault: {file: vault.yml}\n"
    fleet = a_fleet(tmp_path, {A: text, "fleet.yml": vault, "vault.yml": "$ANSIBLE_VAULT;1.1\n"})
    files = render(fleet, "hospital-a")
    body = "".join(f"--- {path}\n{content.decode()}" for path, content in files.items())
    home = str(Path("~").expanduser())
    assert_golden("inventory.txt", body.replace(str(tmp_path), "").replace(home, "~"))

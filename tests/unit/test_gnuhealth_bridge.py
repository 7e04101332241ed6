"""The bridge on its host: its units as wanted, its ports, and what it cannot run without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import ROOT, load

UTILS = ROOT / "roles/gnuhealth/module_utils"
for name in ("host", "database", "product"):
    load(UTILS / f"gnuhealth_{name}.py", f"ansible.module_utils.gnuhealth_{name}")
bridge: Any = load(UTILS / "gnuhealth_bridge.py", "ansible.module_utils.gnuhealth_bridge")
precheck: Any = load(ROOT / "roles/gnuhealth/library/gnuhealth_precheck.py")
LISTENER, SERVER = bridge.SERVICES
UNIT = "[Service]\nExecStart=/usr/bin/wlmscpfs --keep-char-set --data-files-path /x 1105\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directories of a host, with what apply installs."""
    units = tmp_path / "units"
    units.mkdir()
    (tmp_path / "etc").mkdir()
    monkeypatch.setattr(bridge, "SETTINGS", tmp_path / "etc")
    monkeypatch.setattr(bridge, "UNITS", units)
    monkeypatch.setattr(bridge, "WANTED_BY", units / "gnuhealth.service.wants")
    return tmp_path


def installed(here: Path, *units: str) -> None:
    settings = {"hl7": {"port": 2575}, "worklist": {"stations": {}}}
    (here / "etc/settings.json").write_text(json.dumps(settings))
    for name in units:
        (here / "etc" / name).write_text(UNIT)


def test_units_are_known_and_wanted_by_the_ris(here: Path) -> None:
    installed(here, LISTENER, SERVER)
    for _ in range(2):
        bridge.put([LISTENER, SERVER])
        for name in (LISTENER, SERVER):
            assert (here / "units" / name).read_text() == UNIT
            assert (here / "units/gnuhealth.service.wants" / name).resolve().name == name


def test_a_unit_that_is_not_wanted_any_more_is_gone(here: Path) -> None:
    installed(here, LISTENER, SERVER)
    bridge.put([LISTENER, SERVER])
    bridge.put([LISTENER])
    assert not (here / "units" / SERVER).exists()
    assert not (here / "units/gnuhealth.service.wants" / SERVER).is_symlink()
    assert not (here / "etc" / SERVER).exists()
    assert (here / "units" / LISTENER).exists()


def test_without_a_bridge_nothing_is_made(here: Path) -> None:
    bridge.put([])
    assert list((here / "units").iterdir()) == []


def test_ports_that_nothing_serves_yet_are_brought_by_the_change(here: Path) -> None:
    ports = {"hl7": 2575, "dicom": 1105}
    assert bridge.brings(ports) == [1105, 2575]
    assert bridge.brings({"hl7": 0, "dicom": 0}) == []
    installed(here, LISTENER)
    assert bridge.brings(ports) == [1105]
    installed(here, LISTENER, SERVER)
    assert bridge.brings(ports) == []
    assert bridge.brings({"hl7": 2576, "dicom": 1105}) == []


def test_a_port_that_moves_is_refused(here: Path) -> None:
    installed(here, LISTENER, SERVER)
    assert list(bridge.moved({"hl7": 2575, "dicom": 1105})) == []
    assert list(bridge.moved({"hl7": 0, "dicom": 0})) == []
    (told,) = bridge.moved({"hl7": 2576, "dicom": 1105})
    assert "at port 2575, and 2576 is declared" in told


def test_without_a_worklist_no_list_of_patients_stays(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge, "STATE", here / "state")
    (here / "state/worklist/WORKLIST").mkdir(parents=True)
    (here / "units" / SERVER).touch()
    bridge.forget_left_over()
    assert (here / "state").exists()
    (here / "units" / SERVER).unlink()
    bridge.forget_left_over()
    bridge.forget_left_over()
    assert not (here / "state").exists()


class Precheck:
    """A staged change; ``tests`` and ``accounts`` are what the database has."""

    def __init__(self, change: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.change = change
        self.accounts, self.tests = "admin\nbridge\n", "CTHD\n"
        self.stations: Any = {"CT1": {"modality": "CT", "tests": ["CTHD"]}}
        self.password, self.port = "synthetic", 1105
        self.doctor: str | None = "D-1"
        self.groups = [("bridge", "Health Front Desk"), ("bridge", "Health Imaging")]
        monkeypatch.setattr(precheck.product, "psql", self._psql)
        self.server = True
        monkeypatch.setattr(precheck.os, "access", self._access)

    def _psql(self, _names: object, statement: str) -> str:
        if "res_group" in statement:
            return "".join(f'{login},"{group}"\n' for login, group in self.groups)
        if "healthprofessional" in statement:
            return "D-1\n"
        return self.accounts if "res_user" in statement else self.tests

    def _access(self, path: object, _mode: int) -> bool:
        return self.server if str(path) == "/usr/bin/wlmscpfs" else Path(str(path)).exists()

    def told(self) -> list[str]:
        """The reasons."""
        for name in ("bridge", "bridge-program"):
            (self.change / "files" / name).mkdir(parents=True, exist_ok=True)
        settings = {
            "ris": {"user": "bridge", "password": self.password},
            "hl7": {"doctor": self.doctor},
            "worklist": {"stations": self.stations},
        }
        (self.change / "files/bridge/settings.json").write_text(json.dumps(settings))
        (self.change / "files/bridge-program/wardship-bridge").touch()
        names = {"bridge": [LISTENER, SERVER], "bridge_ports": {"hl7": 2575, "dicom": self.port}}
        given = {"names": names, "change_dir": str(self.change)}
        return list(precheck.bridge_can_run(given))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Precheck:
    return Precheck(tmp_path, monkeypatch)


def test_a_bridge_that_has_all_it_needs_is_let_in(asked: Precheck) -> None:
    assert asked.told() == []


@pytest.mark.parametrize(
    ("field", "value", "because"),
    [
        ("password", "", "gnuhealth_bridge_password is not declared"),
        ("accounts", "admin\nbridges\n", "no active account bridge"),
        ("doctor", "D-2", "gnuhealth_hl7_doctor is D-2"),
        ("doctor", None, "gnuhealth_hl7_doctor is not declared"),
        ("groups", [("bridge", "Health Imaging")], "not in the group Health Front Desk"),
        (
            "groups",
            [("bridge", "Health Imaging"), ("other", "Health Front Desk")],
            "not in the group Health Front Desk",
        ),
        ("server", False, "apt install dcmtk"),
        ("port", 104, "below 1024"),
        ("stations", {}, "no station"),
        ("stations", {"CT1": {"tests": ["CTHD"]}}, "CT1 needs modality and tests"),
        ("stations", {"CT1": {"modality": "CT", "tests": ["NO"]}}, "NO, which the RIS does not"),
        ("stations", {"C" * 17: {"modality": "CT", "tests": ["CTHD"]}}, "more than 16 characters"),
    ],
)
def test_what_it_lacks_is_told_before_anything_is_felt(
    asked: Precheck, field: str, value: Any, because: str
) -> None:
    setattr(asked, field, value)
    (told,) = asked.told()
    assert because in told

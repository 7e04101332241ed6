"""Parked intake on a host: when the spool runs, who is turned to it, who is given what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import aftercare, begin, boot, decide, door, nft, parking, returned
from orchestrator.host.change import Change, load
from orchestrator.host.host import Host
from orchestrator.host.outcome import RefusedError
from orchestrator.host.prepare import prepare
from tests.fakes.host_spool import park
from tests.fakes.linux_host import LinuxHost, PowerCut, install_product, manifest, stage

ID = "hospital-a-1"
PARKING = {
    "directory": "/var/lib/wardship-spool",
    "quota_mib": 64,
    "dicom": {
        "ae_title": "PACS",
        "port": 4242,
        "spool_port": 11042,
        "modalities": [{"ae_title": "CT1", "address": "10.0.0.2", "port": 104, "tls": False}],
        "refuses": [],
        "callers": "any",
        "tls": None,
    },
    "mllp": [],
}


class Ward:
    """A fake host with a change whose intake is parked."""

    def __init__(self, root: Path) -> None:
        self.machine = LinuxHost(root)
        install_product(self.machine)
        self.host = Host(self.machine)
        self.machine.at(parking.PROGRAM).parent.mkdir(parents=True)
        self.machine.at(parking.PROGRAM).write_text("")
        stage(self.machine)
        prepare(self.host, json.dumps({**manifest(), "parking": PARKING}), at=1)

    @property
    def change(self) -> Change:
        return load(self.host, ID)

    @property
    def place(self) -> Path:
        return self.machine.at("/var/lib/wardship-spool") / ID

    def phase(self, name: str) -> dict[str, Any]:
        return begin.phase(self.host, ID, name, at=1, wait=None)

    def through(self, *names: str) -> None:
        for name in names:
            told = self.phase(name)
            assert told["state"] == "succeeded", told

    def decide(self, proposal: str) -> None:
        decide.decide(self.host, ID, at=1, propose=proposal, by="controller", because="test")

    def is_up(self, name: str) -> bool:
        return self.machine.units.get(f"wardship-{ID}-{name}.service", ("", ""))[0] == "active"

    def holds(self, *uids: str) -> None:
        """What the product's census lists from now on."""
        instances = [{"uid": uid} for uid in uids]
        self.machine.census = json.dumps({"studies": [{"series": [{"instances": instances}]}]})


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    made = Ward(tmp_path)
    made.holds("1.2.1", "1.2.2")
    return made


def test_the_spool_listens_before_the_door_turns_anybody_to_it(ward: Ward) -> None:
    ward.through("quiesce")
    assert ward.is_up("spool")
    assert ward.machine.table == nft.shut([4242, 8042], [0], nft.Turned(((4242, 11042),), 997))
    assert ward.machine.ran[0] == "spool learn"


def test_settings_reach_the_spool(ward: Ward) -> None:
    ward.through("quiesce")
    told = json.loads((ward.place / "settings.json").read_text())
    assert told == {"quota": 64 * 1024 * 1024, "dicom": PARKING["dicom"], "mllp": []}


def test_what_was_parked_goes_to_the_new_release_when_the_change_commits(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.through("open")
    assert ward.machine.given == ["1.2.1 to 2.0"]
    assert returned.unproved(ward.change) == {"unproved": [], "unproved_because": ""}
    assert door.state(ward.host) == "open"
    assert not ward.is_up("spool")
    assert ward.is_up("deliver")


def test_what_was_parked_goes_to_the_old_release_when_the_change_is_put_back(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("restore")
    ward.through("restore", "open")
    assert ward.machine.given == ["1.2.1 to 1.0"]


def test_a_reversal_gives_the_old_release_what_the_new_one_was_given(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.through("open")
    decide.reverse(ward.host, ID, at=1, because="slow")
    ward.through("restore")
    assert ward.is_up("spool")
    assert not ward.is_up("deliver")  # it would give the old release what it gave the new one
    park(ward.place, 2, "1.2.2")
    ward.through("open")
    assert ward.machine.given == ["1.2.1 to 2.0", "1.2.1 to 1.0", "1.2.2 to 1.0"]


def test_a_product_that_takes_nothing_keeps_the_door_shut_and_the_spool_parking(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.machine.failing.add("replay")
    assert ward.phase("open")["state"] == "failed"
    assert door.state(ward.host) == "shut"
    assert ward.is_up("spool")
    ward.machine.failing.clear()
    ward.through("open")
    assert ward.machine.given == ["1.2.1 to 2.0"]


def test_what_the_census_does_not_list_is_named_and_the_clinic_opens(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    park(ward.place, 2, "1.2.9")
    ward.decide("commit")
    ward.through("open")
    assert returned.unproved(ward.change)["unproved"] == ["1.2.9"]
    assert door.state(ward.host) == "open"


def test_a_census_that_cannot_be_had_proves_nothing(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.machine.failing.add("census in census")
    ward.through("open")
    told = returned.unproved(ward.change)
    assert told["unproved"] == ["1.2.1"]
    assert "census" in told["unproved_because"]


def test_cleanup_keeps_what_the_product_is_not_proved_to_have(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    park(ward.place, 2, "1.2.9")
    ward.decide("commit")
    ward.through("open")
    told = aftercare.cleanup(ward.host, ID, at=1)
    assert [path.name[:10] for path in (ward.place / "parked").iterdir()] == ["0000000002"]
    assert "1 parked items" in told["kept"][0]


def test_cleanup_removes_what_the_product_has(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.through("open")
    assert aftercare.cleanup(ward.host, ID, at=1)["kept"] == []
    assert not ward.place.exists()


def test_what_was_given_after_the_opening_is_proved_before_it_is_removed(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.decide("commit")
    ward.through("open")
    for number, uid in ((2, "1.2.2"), (3, "1.2.9")):
        park(ward.place, number, uid)
        line = {"number": number, "state": "stored", "because": uid}
        with (ward.place / "outcomes.jsonl").open("a") as outcomes:
            outcomes.write(json.dumps(line) + "\n")
    told = aftercare.cleanup(ward.host, ID, at=1)
    assert [path.name[:10] for path in (ward.place / "parked").iterdir()] == ["0000000003"]
    assert "1 parked items that the product does not have" in told["kept"][0]


def test_cleanup_is_refused_while_something_waits(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    ward.decide("commit")
    ward.through("open")
    park(ward.place, 1, "1.2.1")
    with pytest.raises(RefusedError, match="1 parked items are not given"):
        aftercare.cleanup(ward.host, ID, at=1)


def test_a_host_that_boots_parks_again_before_it_restores(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    park(ward.place, 1, "1.2.1")
    ward.machine.cut_and_boot()
    assert ward.machine.given == ["1.2.1 to 1.0"]
    assert door.state(ward.host) == "open"


def test_what_is_to_be_delivered_is_delivered_after_a_boot(ward: Ward) -> None:
    ward.through("quiesce", "snapshot", "apply")
    ward.decide("commit")
    ward.through("open")
    ward.machine.units.clear()
    boot.boot(ward.host)
    assert ward.is_up("deliver")


def test_a_spool_that_learns_nothing_refuses_the_change_before_it_is_felt(ward: Ward) -> None:
    ward.machine.failing.add("learn")
    with pytest.raises(RefusedError, match="the product does not answer"):
        ward.phase("quiesce")
    assert ward.machine.table is None
    assert set(ward.machine.running) == {"db.service", "pacs.service"}


def test_without_the_program_the_change_is_refused(ward: Ward) -> None:
    ward.machine.at(parking.PROGRAM).unlink()
    with pytest.raises(RefusedError, match="is not there to park"):
        ward.phase("quiesce")


def test_the_power_may_go_before_any_effect_and_everything_parked_is_given(tmp_path: Path) -> None:
    for cut in range(1000):
        ward = Ward(tmp_path / str(cut))
        ward.holds("1.2.1")
        ward.through("quiesce", "snapshot", "apply")
        park(ward.place, 1, "1.2.1")
        ward.decide("commit")
        disk = ward.machine.disk
        disk.cut_before = len(disk.effects) + cut
        try:
            done = ward.phase("open")["state"] == "succeeded"
        except PowerCut:
            done = False
        if done:
            assert cut > 5
            return
        ward.machine.cut_and_boot()
        assert set(ward.machine.given) == {"1.2.1 to 2.0"}, cut
        assert door.state(ward.host) == "open"
        assert parking.told(ward.change)["waiting"] == 0
    raise AssertionError("it never came through")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quota_mib": 0}, "quota_mib is 0"),
        ({"directory": "/data/live/spool"}, "lies in /data/live"),
        ({"directory": "relative"}, "not an absolute"),
        ({"mllp": [{"port": 99, "spool_port": 11043}]}, "port 99, which the door does not shut"),
        ({"dicom": {**PARKING["dicom"], "spool_port": 8042}}, "are not its own"),  # type: ignore[dict-item]
        ({"dicom": {**PARKING["dicom"], "modalities": []}}, "names no modality"),  # type: ignore[dict-item]
        ({"more": 1}, "parking has"),
    ],
)
def test_a_wrong_part_of_the_manifest_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    machine = LinuxHost(tmp_path)
    install_product(machine)
    document = {**manifest(), "parking": {**PARKING, **change}}
    with pytest.raises(RefusedError, match=said):
        prepare(Host(machine), json.dumps(document), at=1)

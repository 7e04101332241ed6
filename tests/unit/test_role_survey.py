"""The survey of an Orthanc host tells what a change would lose, and guesses nothing."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import role_module

survey: Any = role_module("orthanc", "orthanc_survey")
host: Any = __import__("sys").modules["ansible.module_utils.orthanc_host"]
snapshot: Any = role_module("snapshot_btrfs", "snapshot_btrfs")

DECLARED: dict[str, Any] = {
    "Name": "Hospital A", "DicomAet": "HOSPITALA", "DicomPort": 4242, "HttpPort": 8042,
    "DicomModalities": {
        "WARDSHIP": ["WARDSHIP", "127.0.0.1", 11112], "CT1": ["CT1", "10.0.0.9", 104],
    },
    "Plugins": ["/opt/orthanc/current/plugins/libIndex.so"],
    "PostgreSQL": {"EnableIndex": True, "Lock": True},
    "RegisteredUsers": {"wardship": None},
}  # fmt: skip


def live(**changed: Any) -> dict[str, Any]:
    found = copy.deepcopy(DECLARED)
    found["PostgreSQL"]["Password"] = "db-secret"
    found["RegisteredUsers"] = {"wardship": "web-secret"}
    return found | changed


def test_a_host_as_declared_has_no_problems() -> None:
    assert survey.differences(live(), DECLARED, {}) == ([], [])


def ae(**more: list[object]) -> dict[str, Any]:
    return {"DicomModalities": DECLARED["DicomModalities"] | more}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (ae(old=["OLDCT", "10.0.0.8", 104]), "AE OLDCT (10.0.0.8:104) is configured there"),
        (ae(CT1=["CT1", "10.0.0.7", 104]), "AE CT1 is 10.0.0.7:104 there, declared is 10.0.0.9"),
        ({"DicomModalities": {}}, "the probe's AE WARDSHIP"),
        ({"DicomAet": "OTHER"}, 'DicomAet is "OTHER" there, declared is "HOSPITALA"'),
        ({"HttpPort": 80}, "HttpPort is 80 there"),
        ({"StableAge": 7}, "the setting StableAge is made there and not declared"),
        ({"PostgreSQL": {"EnableIndex": True, "Lock": True, "Uri": 1}}, "PostgreSQL.Uri is made"),
        ({"PostgreSQL": {"EnableIndex": True, "Lock": False}}, "PostgreSQL.Lock is false there"),
        ({"RegisteredUsers": {"chief": "x"}}, "the web account chief is configured there"),
        ({"Plugins": ["/usr/lib/libGateway.so"]}, "the plugin libGateway.so is loaded there"),
    ],
)
def test_what_a_change_would_lose_is_told(changed: dict[str, Any], told: str) -> None:
    problems, intended = survey.differences(live(**changed), DECLARED, {})
    assert intended == []
    assert any(told in problem for problem in problems), problems
    assert "secret" not in " ".join(problems)


def test_a_setting_that_the_declaration_names_itself_may_change() -> None:
    declared = DECLARED | {"StableAge": 60}
    problems, intended = survey.differences(live(StableAge=7), declared, {"StableAge": 60})
    assert problems == []
    assert intended == ["the setting StableAge is 7 there, declared is 60"]


@pytest.mark.parametrize(
    "value",
    [
        {"OrthancPeers": {"other": ["http://peer/", "user", "hidden-1"]}},
        {"DicomWeb": {"Servers": [{"Url": "https://user:hid/den@peer/", "Password": "hidden-2"}]}},
        {"DicomWeb": {"Servers": {"other": {"Url": "http://peer/", "X": "hidden-3"}}}},
        {"PostgreSQL": {"ConnectionUri": "host=db password='hidden 4' user=o"}},
        {"Remote": [["https://peer/", "user", "hidden-5"]]},
    ],
)
def test_a_setting_that_may_change_shows_no_secret_however_deep(value: dict[str, Any]) -> None:
    (name,) = value
    declared = {name: dict.fromkeys(value[name]) if isinstance(value[name], dict) else 1}
    found = survey.differences(
        live(**value), DECLARED | declared, declared, ["OrthancPeers", "Servers"]
    )
    text = " ".join([*found[0], *found[1]])
    assert f"the setting {name}" in text
    assert "hid" not in text


def test_an_ae_may_be_configured_as_an_object() -> None:
    entry = {"AET": "CT1", "Host": "10.0.0.9", "Port": 104}
    modalities = {"probe": ["WARDSHIP", "127.0.0.1", 11112], "ct": entry}
    assert survey.differences(live(DicomModalities=modalities), DECLARED, {}) == ([], [])


def test_the_fingerprint_moves_with_content_mode_and_target(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    file = tmp_path / "etc/orthanc.json"
    file.write_text("{}")
    (tmp_path / "current").symlink_to("1.10.1")
    paths = [str(tmp_path / "etc"), str(tmp_path / "current"), str(tmp_path / "absent")]
    seen = [survey.fingerprint(paths)]
    assert survey.fingerprint(paths) == seen[0]
    file.write_text("{ }")
    seen.append(survey.fingerprint(paths))
    file.chmod(0o600)
    seen.append(survey.fingerprint(paths))
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("1.12.7")
    seen.append(survey.fingerprint(paths))
    (tmp_path / "etc/extra.json").write_text("{}")
    seen.append(survey.fingerprint(paths))
    assert len(set(seen)) == len(seen)


def test_a_host_without_a_release_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(host.ProblemError, match="no release can be read"):
        survey.release(str(tmp_path))
    (tmp_path / "current").symlink_to("gone")
    with pytest.raises(host.ProblemError, match="where no release is"):
        survey.release(str(tmp_path))
    (tmp_path / "gone/bin").mkdir(parents=True)
    assert survey.release(str(tmp_path)) == "gone"


def test_an_unfinished_change_locks_the_host() -> None:
    over, left = {"change": "a", "needs": "nothing"}, {"change": "b", "needs": "hands"}
    assert survey.unfinished({"changes": [over]}) is None
    assert survey.unfinished({"changes": [over, left]}) == "b"


def test_configuration_is_read_with_comments_and_from_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{ /* one */ "Name": "http://x", // two\n "B": 1 }')
    (tmp_path / "b.json").write_text('{"C": {}}')
    assert host.configuration(tmp_path) == {"Name": "http://x", "B": 1, "C": {}}
    (tmp_path / "c.json").write_text('{"B": 2}')
    with pytest.raises(host.ProblemError, match="B is configured in another file too"):
        host.configuration(tmp_path)
    (tmp_path / "c.json").write_text('{"Password": "web-secret"')
    with pytest.raises(host.ProblemError, match=r"c\.json cannot be read") as raised:
        host.configuration(tmp_path)
    assert "web-secret" not in str(raised.value)


MOUNTS = """\
22 1 0:20 / / rw,relatime - overlay overlay rw
31 22 0:31 /host /data rw,noatime - btrfs /dev/loop1 rw,subvolid=5
32 22 0:32 / /data/with\\040space ro,noatime - xfs /dev/loop2 ro
"""


def test_the_file_system_of_a_path_is_that_of_its_longest_mount(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert snapshot.mount("/data/live", table) == ("/data", "btrfs", "rw,noatime")
    assert snapshot.mount("/database", table) == ("/", "overlay", "rw,relatime")
    assert snapshot.mount("/data/with space/x", table)[1:] == ("xfs", "ro,noatime")


def test_every_reason_against_a_snapshot_is_told(tmp_path: Path) -> None:
    found = {"path": "/proc", "filesystem": "proc", "is_subvolume": False, "free": 0}
    assert list(snapshot.against(found, 1)) == ["/proc is on proc, a snapshot needs btrfs"]
    plain = {"path": str(tmp_path), "filesystem": "btrfs", "is_subvolume": False, "free": 1 << 20}
    told = "; ".join(snapshot.against(plain, 512))
    assert "is not a btrfs subvolume" in told
    assert "has 1 MiB free, the change needs 512" in told


def test_a_volume_that_is_not_there_is_a_reason_too() -> None:
    given = {"volumes": {"live": "/nowhere/live"}, "min_free_mib": 1}
    found, refusals = snapshot.looked(given)
    assert found == []
    assert refusals == [f"the volume live cannot be looked at: /nowhere/live: {os.strerror(2)}"]

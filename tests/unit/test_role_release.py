"""A release is put beside the others whole or not at all, and only ours are removed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import shared_module

release: Any = shared_module("wardship_release")


def artifact(path: Path, members: dict[str, bytes], *extra: tarfile.TarInfo) -> str:
    """Write an archive; its hash."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o4777 if name.startswith("bin/") else 0o666
            archive.addfile(member, io.BytesIO(content))
        for each in extra:
            archive.addfile(each)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def link(name: str, target: str, *, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    sha256 = artifact(tmp_path / "a.tar.gz", {"bin/orthanc": b"new", "lib/x.so": b"x" * 99})
    root = tmp_path / "opt"
    (root / "1.10.1/bin").mkdir(parents=True)
    (root / "current").symlink_to("1.10.1")
    return {
        "root": str(root), "release": "1.12.7", "artifact": str(tmp_path / "a.tar.gz"),
        "sha256": sha256, "requires": ["bin/orthanc"], "proof": [], "proof_user": "nobody",
        "reserve_mib": 0, "changes": str(tmp_path / "changes"), "change": "this",
    }  # fmt: skip


def test_a_release_is_unpacked_once_and_nobody_else_may_write_it(given: dict[str, Any]) -> None:
    assert release.present(given, check=False)
    assert not release.present(given, check=False)
    target = Path(given["root"], "1.12.7")
    assert (target / "bin/orthanc").read_bytes() == b"new"
    assert (target / "bin/orthanc").stat().st_mode & 0o7777 == 0o755
    assert (target / "lib/x.so").stat().st_mode & 0o7777 == 0o644


def test_check_mode_says_so_and_leaves_nothing(given: dict[str, Any]) -> None:
    before = sorted(Path(given["root"]).rglob("*"))
    assert release.present(given, check=True)
    assert sorted(Path(given["root"]).rglob("*")) == before


@pytest.mark.parametrize("damage", ["changed", "missing", "added", "half"])
def test_a_damaged_release_is_redone(given: dict[str, Any], damage: str) -> None:
    target = Path(given["root"], "1.12.7")
    release.present(given, check=False)
    if damage == "changed":
        (target / "lib/x.so").write_bytes(b"y" * 99)
    elif damage == "missing":
        (target / "lib/x.so").unlink()
    elif damage == "added":
        (target / "lib/y.so").write_bytes(b"")
    else:
        target.rename(target.with_name(".1.12.7.partial"))
    assert release.present(given, check=False)
    assert (target / "lib/x.so").read_bytes() == b"x" * 99
    left = sorted(path.name for path in Path(given["root"]).iterdir())
    assert left == ["1.10.1", "1.12.7", "current"]


def test_what_runs_is_never_touched(given: dict[str, Any]) -> None:
    given["release"] = "1.10.1"
    with pytest.raises(release.RefusalError, match="it is not touched"):
        release.present(given, check=False)


def test_an_artifact_with_another_hash_is_refused(given: dict[str, Any]) -> None:
    with Path(given["artifact"]).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(release.RefusalError, match="does not have the hash"):
        release.present(given, check=False)
    assert not Path(given["root"], "1.12.7").exists()


def test_without_room_nothing_is_written(given: dict[str, Any]) -> None:
    given["reserve_mib"] = 1 << 40
    with pytest.raises(release.RefusalError, match="MiB free, unpacking needs"):
        release.present(given, check=False)
    assert not Path(given["root"], ".1.12.7.partial").exists()


@pytest.mark.parametrize(
    "evil",
    [
        [tarfile.TarInfo("../outside")],
        [tarfile.TarInfo("/outside")],
        [link("lib/out", "../../outside")],
        [link("lib/out", "/etc")],
        [link("hard", "../outside", kind=tarfile.LNKTYPE)],
        [link("here", "."), link("here/up", "..")],
        [link("null", "", kind=tarfile.CHRTYPE)],
    ],
    ids=["parent", "absolute", "link-up", "link-absolute", "hard-link", "behind-link", "device"],
)
def test_an_artifact_that_leads_out_is_refused(
    given: dict[str, Any], evil: list[tarfile.TarInfo]
) -> None:
    given["sha256"] = artifact(Path(given["artifact"]), {"bin/orthanc": b"new"}, *evil)
    with pytest.raises(release.RefusalError, match="the artifact holds"):
        release.present(given, check=False)
    assert not Path(given["root"], "1.12.7").exists()


def test_a_link_within_the_release_is_kept(given: dict[str, Any]) -> None:
    members = {"bin/orthanc": b"new", "lib/libx.so.1": b"x"}
    inner = link("lib/libx.so", "libx.so.1")
    given["sha256"] = artifact(Path(given["artifact"]), members, inner)
    assert release.present(given, check=False)
    assert Path(given["root"], "1.12.7/lib/libx.so").read_bytes() == b"x"


def test_a_release_without_its_program_does_not_appear(given: dict[str, Any]) -> None:
    given["requires"] = ["bin/orthanc", "plugins/index.so"]
    with pytest.raises(release.RefusalError, match=r"has no plugins/index\.so"):
        release.present(given, check=False)
    assert not Path(given["root"], "1.12.7").exists()


def test_a_program_that_names_another_release_is_refused(given: dict[str, Any]) -> None:
    script = b"#!/bin/sh\necho Orthanc 1.12.77\n"
    given["sha256"] = artifact(Path(given["artifact"]), {"bin/orthanc": script})
    given |= {"proof": ["bin/orthanc", "--version"], "proof_user": "root"}
    with pytest.raises(
        release.RefusalError, match=r"does not say 1\.12\.7, but: Orthanc 1\.12\.77"
    ):
        release.present(given, check=False)


def manifest(given: dict[str, Any], change: str, **releases: str) -> Path:
    directory = Path(given["changes"], change)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "change.json").write_text(json.dumps(releases))
    return directory


def test_a_release_that_nothing_needs_is_removed(given: dict[str, Any]) -> None:
    release.present(given, check=False)
    manifest(given, "this", from_release="1.12.7")
    done = manifest(given, "past", to_release="1.12.7")
    (done / "cleaned.json").write_text("{}")
    assert release.absent(given, check=True) == (True, "")
    assert Path(given["root"], "1.12.7").exists()
    assert release.absent(given, check=False) == (True, "")
    assert not Path(given["root"], "1.12.7").exists()
    assert release.absent(given, check=False) == (False, "")


def test_a_release_that_is_needed_or_not_ours_stays(given: dict[str, Any]) -> None:
    release.present(given, check=False)
    younger = manifest(given, "younger", from_release="1.12.7")
    assert release.absent(given, check=False) == (False, "the change younger may need it")
    (younger / "change.json").write_text("cut off")
    assert release.absent(given, check=False) == (False, "the change younger may need it")
    given["release"] = "1.10.1"
    assert release.absent(given, check=False) == (False, "current names it")
    Path(given["root"], "current").unlink()
    assert release.absent(given, check=False) == (False, "it was not laid down by wardship")

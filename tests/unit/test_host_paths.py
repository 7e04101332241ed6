"""Paths are saved with all that belongs to them, and put back exactly."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestrator.host.install import install
from orchestrator.host.outcome import FailedError
from orchestrator.host.saved import load, put_back, save
from orchestrator.host.system import System
from orchestrator.host.tree import Tree, describe

PATHS = ("/etc/pacs", "/etc/licence", "/opt/current")


class Place:
    """A machine's root with a configuration directory, a link, and a file that is not there."""

    def __init__(self, root: Path) -> None:
        self.system = System(root)
        self.saved = root / "saved"
        etc = root / "etc" / "pacs"
        (etc / "tls").mkdir(parents=True)
        (etc / "pacs.json").write_text("settings")
        (etc / "pacs.json").chmod(0o640)
        (etc / "tls" / "key").write_text("secret")
        (etc / "tls" / "key").chmod(0o400)
        (etc / "tls").chmod(0o500)
        (etc / "link").symlink_to("pacs.json")
        os.utime(etc / "pacs.json", ns=(1, 1_234_567_890))
        (root / "opt").mkdir()
        (root / "opt" / "current").symlink_to("1.0")
        self.etc = etc
        self.before = {path: describe(self.system.at(path)) for path in PATHS}

    def save(self) -> dict[str, Tree]:
        return save(self.system, PATHS, to=self.saved)

    def put_back(self) -> list[bool]:
        trees = load(self.saved)
        return [put_back(self.system, path, trees[path], saved=self.saved) for path in PATHS]

    def is_as_before(self) -> bool:
        return {path: describe(self.system.at(path)) for path in PATHS} == self.before


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_everything_is_put_back(place: Place) -> None:
    place.save()
    (place.etc / "tls").chmod(0o700)
    (place.etc / "tls" / "key").unlink()
    (place.etc / "pacs.json").write_text("other")
    (place.etc / "new").write_text("new")
    (place.system.root / "etc" / "licence").write_text("bought")
    current = place.system.root / "opt" / "current"
    current.unlink()
    current.symlink_to("2.0")
    assert place.put_back() == [True, True, True]
    assert place.is_as_before()
    assert (place.etc / "pacs.json").stat().st_mtime_ns == 1_234_567_890
    assert not list(place.system.root.rglob("*wardship*"))


def test_what_is_as_it_was_is_left_alone(place: Place) -> None:
    place.save()
    inode = place.etc.stat().st_ino
    assert place.put_back() == [False, False, False]
    assert place.etc.stat().st_ino == inode


@pytest.mark.parametrize(
    "shape", ["file over directory", "directory over link", "gone", "another mode"]
)
def test_whatever_stands_in_its_place_gives_way(place: Place, shape: str) -> None:
    place.save()
    root = place.system.root
    if shape == "file over directory":
        place.etc.rename(root / "moved")
        place.etc.write_text("a file")
    elif shape == "directory over link":
        (root / "opt" / "current").unlink()
        (root / "opt" / "current").mkdir()
    elif shape == "gone":
        (root / "opt" / "current").unlink()
        (root / "opt").rmdir()
    else:
        (place.etc / "pacs.json").chmod(0o644)
    place.put_back()
    assert place.is_as_before()


def test_extended_attributes_come_back(place: Place) -> None:
    file = place.etc / "pacs.json"
    os.setxattr(file, "user.site", b"B")
    place.before["/etc/pacs"] = describe(place.etc)
    place.save()
    os.removexattr(file, "user.site")
    place.put_back()
    assert os.getxattr(file, "user.site") == b"B"
    assert place.is_as_before()


def test_a_copy_that_was_damaged_is_not_put_back(place: Place) -> None:
    place.save()
    (place.etc / "pacs.json").write_text("other")
    for copy in (place.saved / "objects").iterdir():
        copy.chmod(0o600)
        copy.write_text("damaged")
    with pytest.raises(FailedError, match="not what it was"):
        place.put_back()


def test_what_cannot_be_put_back_is_refused_when_it_is_saved(place: Place) -> None:
    os.mkfifo(place.etc / "pipe")
    with pytest.raises(FailedError, match="neither file, directory nor link"):
        place.save()


def test_a_socket_is_left_to_its_owner(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.etc)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    place.save()
    assert all(entry.path != "socket" for entry in load(place.saved)["/etc/pacs"] or [])


def test_saved_copies_are_for_root_only(place: Place) -> None:
    place.save()
    assert {path.stat().st_mode & 0o077 for path in place.saved.rglob("*")} == {0}


def test_installing_keeps_the_owner_and_mode_of_what_is_there(place: Place) -> None:
    staged = place.system.root / "staged"
    staged.mkdir()
    for name in ("pacs.json", "extra.json"):
        (staged / name).write_text("new")
        (staged / name).chmod(0o600)
    install(staged, place.etc, place.system.disk)
    modes = {
        name: (place.etc / name).stat().st_mode & 0o777 for name in ("pacs.json", "extra.json")
    }
    assert modes == {"pacs.json": 0o640, "extra.json": 0o600}
    assert (place.etc / "pacs.json").read_text() == "new"
    assert (place.etc / "tls").is_dir()


def test_installing_again_does_no_harm(place: Place) -> None:
    staged = place.system.root / "staged"
    staged.write_text("new")
    for _ in range(2):
        install(staged, place.etc / "pacs.json", place.system.disk)
    assert (place.etc / "pacs.json").read_text() == "new"


def test_a_file_does_not_take_the_place_of_a_directory(place: Place) -> None:
    staged = place.system.root / "staged"
    staged.write_text("new")
    with pytest.raises(FailedError, match="is a directory"):
        install(staged, place.etc, place.system.disk)

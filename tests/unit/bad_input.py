"""Runs a command on a fleet that something is wrong with; what it said, and that it wrote nothing.

Used by the tables of ``test_bad_input*.py``.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.cli.app import execute
from tests.builders import write_fleet, write_roles

#: Something done to a fleet's directory.
Spoil = Callable[[Path], object]


class Bench:
    """A fleet of two hospitals in a directory of its own, and the command line on it."""

    def __init__(self, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self._home, self._capfd = home, capfd
        self.fleet = write_fleet(home / "fleet")

    def said(self, *arguments: str, as_nobody: bool = False) -> str:
        """Exit code, standard output and error of a command, without this machine's paths.

        Fails if the command wrote anything below the fleet but an empty journal, or told of a bug.
        """
        before = fingerprint(self._home)
        with nobody() if as_nobody else nullcontext():
            code = execute(["--fleet", str(self.fleet), *arguments])
        out, err = self._capfd.readouterr()
        assert fingerprint(self._home) == before, "something was written"
        said = out + err
        assert "bug" not in said, said
        said = said.replace(str(self.fleet), "/fleet")
        assert "Traceback" not in said, said
        for sign in said:
            assert sign == "\n" or sign.isprintable() or sign == "�", f"{sign!r} raw in {said!r}"
        return f"exit {code}\n{said}".replace(str(self._home), "")


@pytest.fixture
def bench(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Bench:
    """A fleet to spoil; the roles are the tests' own."""
    roles = write_roles(tmp_path / "roles")
    monkeypatch.setattr(resources, "roles", lambda: roles)
    for name in ("WARDSHIP_FLEET", "WARDSHIP_DEBUG", "VAULT_PASS"):
        monkeypatch.delenv(name, raising=False)
    return Bench(tmp_path, capfd)


def fingerprint(directory: Path) -> dict[str, tuple[int, str]]:
    """Mode and content of everything below; links as links. The journal is opened by any command
    that asks it, so the empty one is left out."""
    found: dict[str, tuple[int, str]] = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if "/.wardship/journal.sqlite" in name or name.endswith("/.wardship"):
            continue
        mode = path.lstat().st_mode
        content = str(path.readlink()) if path.is_symlink() else ""
        if stat.S_ISREG(mode):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[name] = (mode, content)
    return found


def write(name: str, content: str | bytes) -> Spoil:
    """Put this file there."""

    def spoil(fleet: Path) -> None:
        data = content if isinstance(content, bytes) else content.encode()
        (fleet / name).parent.mkdir(parents=True, exist_ok=True)
        (fleet / name).write_bytes(data)

    return spoil


def change(name: str, old: str, new: str) -> Spoil:
    """Replace a text that stands once in a file."""

    def spoil(fleet: Path) -> None:
        text = (fleet / name).read_text()
        assert text.count(old) == 1, f"{old} stands {text.count(old)} times in {name}"
        (fleet / name).write_text(text.replace(old, new))

    return spoil


def link(name: str, to: str) -> Spoil:
    """A symbolic link instead of the file."""

    def spoil(fleet: Path) -> None:
        (fleet / name).unlink(missing_ok=True)
        (fleet / name).symlink_to(to)

    return spoil


def folder(name: str) -> Spoil:
    """A directory instead of the file."""

    def spoil(fleet: Path) -> None:
        (fleet / name).unlink(missing_ok=True)
        (fleet / name).mkdir()

    return spoil


def pipe(name: str) -> Spoil:
    """A pipe that nobody writes to, instead of the file: whoever opens it waits for ever."""

    def spoil(fleet: Path) -> None:
        (fleet / name).unlink(missing_ok=True)
        os.mkfifo(fleet / name)

    return spoil


def all_of(*spoils: Spoil) -> Spoil:
    """Several things at once."""

    def spoil(fleet: Path) -> None:
        for one in spoils:
            one(fleet)

    return spoil


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything; for a while we are somebody who may not."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)

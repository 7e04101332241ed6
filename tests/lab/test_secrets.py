"""The fleet's secrets stay in the vault, and in the product's own configuration on its host.

Not in a plan, the journal, a log, a report, an argument, an event or a temporary file, not even
for a moment: what the controller ever wrote is searched, removed or not.
"""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.lab.provision import WEB_USER
from tests.lab.canaries import Canaries, everything_written, of_fleet, watched
from tests.lab.pacs import Pacs

#: Where a host may have them: its product's configuration, and the copies of it that a change
#: keeps in a directory of root alone: what it was, what it became, and what had failed.
ALLOWED = re.compile(
    r"etc/orthanc/(credentials|postgresql)\.json"
    r"|var/lib/wardship/changes/[^/]+/files/orthanc/(credentials|postgresql)\.json"
    r"|var/lib/wardship/changes/[^/]+/(saved|evidence/paths)/objects/[0-9a-f]{64}"
)
#: The whole root of a host, but for what never changes and what is no file.
UNCHANGED = ("usr/bin", "usr/lib", "usr/share", "proc", "sys", "dev")


@pytest.fixture
def canaries(pacs: Pacs) -> Canaries:
    return of_fleet(pacs.fleet, users=(WEB_USER,))


def test_a_change_leaves_no_secret_but_in_the_products_own_configuration(
    pacs: Pacs, canaries: Canaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = tmp_path / "began"
    began.touch()
    # A path of its own: a socket below the lab's directory would have too long a name.
    scratch = Path(tempfile.mkdtemp())
    disks = [(tmp_path / "state.img", pacs.state), (tmp_path / "scratch.img", scratch)]
    with ExitStack() as mounts:
        written = [mounts.enter_context(everything_written(*disk)) for disk in disks]
        for name in ("HOME", "TMPDIR"):
            (scratch / name).mkdir()
            monkeypatch.setenv(name, str(scratch / name))
        with watched(canaries) as leaks:
            said = _whole_change(pacs)
        assert leaks == [], "a secret in an argument"
        assert canaries.in_text(said) == [], "a secret in what was said"
        mine = [pacs.fleet / name for name in ("id_ed25519", "vault-password")]
        assert canaries.in_files(pacs.fleet, pacs.state, scratch, but=mine) == []
        assert canaries.in_files(*written) == [], "a secret was once in a file of the controller"
    scratch.rmdir()
    assert canaries.in_listed(_new_files(began, but=tmp_path)) == []
    assert _outside(pacs, canaries) == []


def test_a_secret_that_leaks_is_found_in_an_argument_an_output_and_a_file_that_was_removed(
    pacs: Pacs, canaries: Canaries, tmp_path: Path
) -> None:
    secret = canaries.secrets[-1]
    wait = [
        sys.executable,
        "-c",
        "input()",
        f"--password={secret}",
        "ssh ansible-playbook wardship-host",
    ]
    with watched(canaries) as leaks, subprocess.Popen(wait, stdin=subprocess.PIPE) as leaking:
        pacs.wardship("status")
        leaking.communicate(b"\n")
    assert [secret in leak for leak in leaks] == [True]
    assert canaries.in_text(f"the password is {secret}")
    with everything_written(tmp_path / "disk.img", tmp_path / "disk", mib=64) as written:
        (tmp_path / "disk/event.json").write_text(f'{{"password": "{secret}"}}')
        assert canaries.in_files(tmp_path / "disk") == [tmp_path / "disk/event.json"]
        (tmp_path / "disk/event.json").unlink()
        assert canaries.in_files(tmp_path / "disk") == []
        assert canaries.in_files(written) == [written]
    planted = pacs.demo.lab.paths.root(pacs.host) / "tmp/planted"
    planted.write_text(secret)
    assert _outside(pacs, canaries) == ["tmp/planted"]


def _whole_change(pacs: Pacs) -> str:
    """From the survey to the report, and a change that is put back; all that was said."""
    said = [_said(pacs, *words) for words in (["survey"], ["plan"], ["plan", "--json"])]
    pacs.break_("wrong-ae")
    said.append(_said(pacs, "run", pacs.plan(), code=40))
    identifier = pacs.the_record().change_set.id
    told = (["status"], ["status", "--json"], ["report", identifier])
    said += [_said(pacs, *words) for words in told]
    return "\n".join(said)


def _said(pacs: Pacs, *words: str, code: int = 0) -> str:
    done = pacs.wardship(*words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def _new_files(began: Path, *, but: Path) -> list[str]:
    """What was written on this machine since, where programs leave things that nobody asked for."""
    places = ["/tmp", "/var/tmp", "/var/log", "/dev/shm", "/root"]  # noqa: S108
    argv = ["find", *places, "-xdev", "-path", str(but), "-prune", "-o", "-type", "f"]
    listed = subprocess.run(  # it ends with 1 where a directory of somebody else went meanwhile
        [*argv, "-newer", str(began), "-print0"], capture_output=True, text=True, check=False
    )
    return listed.stdout.split("\0")[:-1]


def _outside(pacs: Pacs, canaries: Canaries) -> list[str]:
    """Files of the host with a secret where none may be, or which somebody may read."""
    root = pacs.demo.lab.paths.root(pacs.host)
    found = canaries.in_files(root, but=[root / name for name in UNCHANGED])
    wrong = [str(path.relative_to(root)) for path in found if not _is_allowed(path, root)]
    volatile = pacs.run(["find", "/run", "/dev/shm", "/tmp", "-type", "f", "-print0"])  # noqa: S108
    wrong += [
        name
        for name in filter(None, volatile.decode().split("\0"))
        if canaries.in_text(pacs.run(["cat", name]).decode(errors="replace"))
    ]
    journal = pacs.run(["journalctl", "--output=export", "--boot=all"]).decode(errors="replace")
    return sorted({*wrong, *(["the journal"] if canaries.in_text(journal) else [])})


def _is_allowed(path: Path, root: Path) -> bool:
    is_closed = not path.stat().st_mode & stat.S_IRWXO
    return is_closed and ALLOWED.fullmatch(str(path.relative_to(root))) is not None

"""What a disk holds after its machine lost power: what was promised, and what its next boot makes.

First as the kernel finds it, then booted: as a container, which is the same systemd, the same boot
unit and the same btrfs, twenty times as fast as the emulated machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.lab.cage import Cage
from orchestrator.lab.host import forget_containers
from orchestrator.lab.run import attempt, until
from tests.lab.power_cycle import PROGRAM

#: Its container's, apart from those of the lab whose tests run beside it.
LAB = f"{os.environ.get('WARDSHIP_TEST_LAB', 'tests')}-power"
BOOTING = 120.0
RELEASES = {"committed": "2.0", "restored": "1.0"}
SETTINGS = {"committed": "new\n", "restored": "old\n"}


class Promised:
    """All that was promised before a cut; a later promise of the same kind takes its place."""

    def __init__(self, marks: Sequence[dict[str, Any]]) -> None:
        self.epoch = max((mark["epoch"] for mark in marks if "epoch" in mark), default=0)
        self.images = [mark["image"] for mark in marks if "image" in mark]
        self.changes: dict[str, dict[str, Any]] = {}
        #: What the volume held before and after the newest change; unknown since a newer image.
        self.volume: dict[str, str] = {}
        for mark in marks:
            if "image" in mark:
                self.volume = {}
            if "before" in mark or "after" in mark:
                self.volume |= {key: mark[key] for key in ("before", "after") if key in mark}
            if "change" in mark:
                known = self.changes.setdefault(mark["change"], {"phases": []})
                known["phases"] += [mark["phase"]] if "phase" in mark else []
                known.update(mark)

    @property
    def newest(self) -> str:
        """The change that was begun last; empty when none was."""
        return next(reversed(self.changes), "")

    def broken(self, root: Path) -> list[str]:
        """The promises that a disk, mounted and not booted, does not keep."""
        state = root / "var/lib/wardship"
        epoch = (read(state / "epoch") or {"epoch": 0})["epoch"]
        found = [] if epoch >= self.epoch else [f"epoch {self.epoch} was taken, {epoch} is there"]
        found += [
            f"image {image} was acknowledged and is gone"
            for image in self.images
            if not any(_is_whole(place, image) for place in _places(root))
        ]
        for change, promised in self.changes.items():
            found += [f"{change}: {each}" for each in _broken(root, change, promised)]
        return found


def _broken(root: Path, change: str, promised: dict[str, Any]) -> Iterator[str]:
    records = root / "var/lib/wardship/changes" / change
    if "prepared" in promised and not (records / "prepared.json").exists():
        yield "was prepared"
    for phase in promised["phases"]:
        record = read(records / "phases" / f"{phase}.json")
        if (record or {}).get("state") != "succeeded":
            yield f"{phase} had succeeded, its record is {record}"
    store = root / "data/.wardship" / change
    if "snapshot" in promised["phases"]:
        if not (records / "saved/index.json").exists():
            yield "the saved paths were named"
        if not (store / "small").is_dir() or tree(store / "small") != promised["before"]:
            yield "the snapshot was named and proved"
    decision = (read(records / "decision.json") or {}).get("decision")
    if promised.get("decision", decision) != decision:
        yield f"{promised['decision']} was decided, {decision} is there"
    if "reversal" in promised and not (records / "reversal.json").exists():
        yield "a reversal was accepted"
    finished = (read(records / "finished.json") or {}).get("end")
    if promised.get("end", finished) != finished and not (records / "reversal.json").exists():
        yield f"it was over: {promised['end']}; {finished} is there"


class Survivor:
    """The host that boots from the disk after the cut."""

    def __init__(self, root: Path, cage: Cage) -> None:
        self.root = root
        self._cage = cage

    def run(self, *argv: str) -> str:
        """A command in it, as root; what it says, and nothing where the host is not up yet."""
        init = self._cage.init()
        if init is None:
            return ""
        return attempt(["nsenter", f"--target={init}", "--all", *argv]).stdout

    def status(self) -> dict[str, Any]:
        """What the host program says of itself."""
        found: dict[str, Any] = json.loads(self.run(PROGRAM, "status"))
        return found

    def is_through(self) -> bool:
        """It is up, and then: the boot unit has ended."""
        if self.run("systemctl", "is-system-running").strip() not in ("running", "degraded"):
            return False
        show = ["systemctl", "show", "--value", "--property=ActiveState"]
        return self.run(*show, "wardship-boot.service").strip() in ("inactive", "failed")


@contextmanager
def booted(root: Path, log: Path) -> Iterator[Survivor]:
    """The disk's own system, running until the end of the block; then cut off again."""
    script = log.with_suffix(".sh")
    cage = Cage(LAB, "cut")
    argv = [
        *("systemd-nspawn", "--quiet", "--boot", f"--directory={root}", f"--machine={LAB}-cut"),
        *("--register=no", "--keep-unit", "--capability=CAP_NET_ADMIN", "--private-network"),
        *("--console=pipe", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
    ]
    script.write_text(f"exec {' '.join(argv)}\n")
    cage.launch(script, log)
    try:
        survivor = Survivor(root, cage)
        assert until(survivor.is_through, timeout=BOOTING), log.read_text()[-2000:]
        yield survivor
    finally:
        cage.kill()
        cage.remove()
        forget_containers(LAB)


def assert_ended_well(host: Survivor, promised: Promised, before: dict[str, str]) -> str:
    """Every change is at an end, its product runs and the door is open; gives the last end.

    ``before``: what each change was to end as, by what was decided on the disk.
    """
    if not (host.root / PROGRAM.lstrip("/")).exists():
        raise AssertionError("the host program is gone")
    says = host.status()
    assert (says["door"], says["hold"]) == ("open", False), says
    assert {each["needs"] for each in says["changes"]} <= {"nothing"}, says
    assert says["epoch"] >= promised.epoch
    for each in says["changes"]:
        if each["phases"]:
            assert (each["finished"] or {}).get("end") == before[each["change"]], each
    end = before.get(promised.newest, "restored")
    served = host.run("curl", "-s", "--max-time", "5", "http://127.0.0.1:8042/")
    assert served == RELEASES[end], (served, host.run("systemctl", "status", "small.service"))
    assert (host.root / "etc/small/settings").read_text() == SETTINGS[end]
    if end == "restored":
        assert os.getxattr(host.root / "etc/small/settings", "user.site") == b"B"
    wanted = promised.volume.get("before" if end == "restored" else "after")
    assert wanted in (None, tree(host.root / "data/small")), "the volume is not what it was"
    return end


def ends(root: Path) -> dict[str, str]:
    """How each change has to end, by what a disk says that was mounted and not booted."""
    found = {}
    for change in (root / "var/lib/wardship/changes").glob("*"):
        decision = (read(change / "decision.json") or {}).get("decision", "restore")
        is_restored = decision == "restore" or (change / "reversal.json").exists()
        found[change.name] = "restored" if is_restored else "committed"
    return found


def tree(top: Path) -> str:
    """As ``tree`` in the guest: names, kinds, owners, modes and contents."""
    summed = hashlib.sha256()
    for path in sorted(top.rglob("*")):
        about = path.lstat()
        summed.update(f"{path.relative_to(top)} {about.st_mode:o} {about.st_uid}\0".encode())
        if stat.S_ISREG(about.st_mode):
            summed.update(path.read_bytes())
    return summed.hexdigest()


def read(path: Path) -> dict[str, Any] | None:
    """A record of the host program; one that is not whole is an error."""
    if not path.exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def _places(root: Path) -> list[Path]:
    """Where an image of the live volume may lie while it is put back."""
    kept = (root / "data/.wardship").glob("*/small*")
    return [root / "data/small", *kept]


def _is_whole(place: Path, image: str) -> bool:
    path = place / "objects" / image
    return path.is_file() and path.read_bytes() == image.encode() * 500

"""The disk of a machine that loses its power: made, given files, looked into after the cut.

Three partitions: marks, which a program in the guest writes past every cache and without a flush;
the root, on btrfs or ext4; and ``/data`` on btrfs. A mark stands in the log of writes exactly where
it was made, so what was promised before a cut is known to the write.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.lab.guest import Run
from orchestrator.lab.image import unpack_image
from orchestrator.lab.run import run
from orchestrator.lab.writelog import SECTOR, Entry, payload

MIB = 1024 * 1024
#: Where the partitions lie, in MiB: start and length.
MARKS, ROOT, DATA = (1, 7), (8, 1536), (1544, 504)
_TOTAL = 2048
#: Left out of the image: nothing that a machine without products needs.
_DROPPED = ("usr/lib/postgresql", "usr/lib/python3/dist-packages", "usr/share/perl")
#: In the guest: a line of JSON for the console and for the marks. Run it as root.
MARKER = """
import itertools, json, mmap, os
_device = os.open("/dev/vda1", os.O_WRONLY | os.O_DIRECT)
_block = mmap.mmap(-1, 4096)
_numbers = itertools.count()
def mark(**facts):
    text = json.dumps(facts).encode()
    assert len(text) < 4096
    _block[:] = text.ljust(4096)
    os.pwrite(_device, _block, next(_numbers) * 4096)
    os.write(1, text + b"\\n")
"""


def make_disk(path: Path, *, root: str, image: Path, scratch: Path) -> None:
    """A disk with the base image as its root and an empty ``/data``; ``root`` is a file system."""
    with path.open("wb") as disk:
        disk.truncate(_TOTAL * MIB)
        disk.seek(446)
        for start, length in (MARKS, ROOT, DATA):
            sectors = (start * MIB // SECTOR, length * MIB // SECTOR)
            disk.write(struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", *sectors))
        disk.write(b"\0" * 16 + b"\x55\xaa")
    for kind, partition in ((root, ROOT), ("btrfs", DATA)):
        _format(path, kind, partition)
    with mounted(path, root=root, at=scratch) as tree:
        unpack_image(image, tree)
        run(["rm", "-rf", *(str(tree / name) for name in _DROPPED)])
        (tree / "etc/hostname").write_text("power\n")


@contextmanager
def mounted(path: Path, *, root: str, at: Path) -> Iterator[Path]:
    """The disk's root with its ``/data``, as a kernel finds them after a cut."""
    at.mkdir(parents=True, exist_ok=True)
    _mount(path, root, ROOT, at)
    try:
        (at / "data").mkdir(exist_ok=True)
        _mount(path, "btrfs", DATA, at / "data")
        try:
            yield at
        finally:
            run(["umount", str(at / "data")])
    finally:
        run(["umount", str(at)])


def inside(tree: Path) -> Run:
    """Runs a command in a tree that is mounted and not booted, as an installer does."""
    enter = 'mount --bind /dev "$0/dev"; mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'
    entered = ["unshare", "--mount", "--propagation=slave", "sh", "-ec", enter, str(tree)]

    def guest(argv: Sequence[str], *, input: bytes | None = None) -> bytes:  # noqa: A002 - as subprocess
        return run([*entered, "env", "SYSTEMD_OFFLINE=1", *argv], stdin=input).output

    return guest


def _format(disk: Path, kind: str, partition: tuple[int, int]) -> None:
    start, length = partition
    aside = disk.with_name(f"{disk.name}.part")
    with aside.open("wb") as made:
        made.truncate(length * MIB)
    run([f"mkfs.{kind}", "-q", str(aside)])
    laid = [f"if={aside}", f"of={disk}", f"seek={start}", "bs=1M", "conv=notrunc,sparse"]
    run(["dd", "status=none", *laid])
    aside.unlink()


def _mount(disk: Path, kind: str, partition: tuple[int, int], at: Path) -> None:
    start, length = (each * MIB for each in partition)
    options = f"loop,offset={start},sizelimit={length},noatime"
    run(["mount", "-t", kind, "-o", options, str(disk), str(at)])


def marks(log: Path, entries: Sequence[Entry]) -> list[tuple[int, dict[str, Any]]]:
    """Every mark with its moment: the number of entries up to and with it."""
    start, end = MARKS[0] * MIB, sum(MARKS) * MIB
    return [
        (moment, json.loads(payload(log, entry)))
        for moment, entry in enumerate(entries, start=1)
        if entry.size and start <= entry.at < end
    ]

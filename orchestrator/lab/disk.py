"""File systems in sparse files, and the btrfs subvolumes on them.

Every function can be called again after having been cut off. Subvolumes are only ever deleted below
a path that the caller names: the listing of a whole file system is never acted on.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab.run import attempt, run, until

#: A subvolume's root directory has this inode number, and nothing else on btrfs has.
_SUBVOLUME_INODE = 256
_OCTAL = re.compile(r"\\([0-7]{3})")


_MAKE = {
    "btrfs": ["mkfs.btrfs", "-q", "-m", "dup"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"],
}


def make_disk(image: Path, *, mib: int, filesystem: str = "btrfs") -> None:
    """Make a sparse file with an empty file system in it, unless it is there."""
    if image.exists():
        return
    image.parent.mkdir(parents=True, exist_ok=True)
    unfinished = image.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with unfinished.open("wb") as opened:
        opened.truncate(mib * 1024 * 1024)
    run([*_MAKE[filesystem], str(unfinished)])
    unfinished.rename(image)


def mount_disk(image: Path, directory: Path, *, filesystem: str = "btrfs") -> None:
    """Mount the file system of an image, unless it is mounted."""
    if directory in mountpoints(directory):
        return
    directory.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", filesystem, "-o", "loop,noatime", str(image), str(directory)])


def duplicate(image: Path, to: Path) -> None:
    """Copy a file that holds a file system; ``to`` is whole or not there."""
    unfinished = to.with_suffix(".new")
    run(["cp", "--sparse=always", "--reflink=auto", str(image), str(unfinished)])
    unfinished.rename(to)


def share(directory: Path) -> None:
    """Let what is unmounted below a directory be unmounted in other mount namespaces too.

    Without this, a mount namespace that somebody else makes keeps the disks busy to its end
    (mount_namespaces(7)). Where PID 1 is systemd, it is so from the start.
    """
    if mountpoints(directory):
        return
    run(["mount", "--bind", str(directory), str(directory)])
    run(["mount", "--make-shared", str(directory)])


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted at or below a directory, and detach the loop devices behind it.

    Raises:
        LabError: something is in use; who uses it is in the error.
    """
    for mountpoint in sorted(mountpoints(directory), reverse=True):
        unmount(mountpoint)
    for image in directory.rglob("*.img"):
        if not until(partial(_is_detached, image), timeout=5.0):
            raise LabError(
                f"{image} is still mounted by {_users(directory)}",
                hint="end those processes (they have mounts of their own), then try again",
            )


def unmount(mountpoint: Path) -> None:
    """Unmount one file system.

    Raises:
        LabError: it is in use; by whom is in the error.
    """
    if not until(lambda: attempt(["umount", str(mountpoint)]).is_ok, timeout=5.0):
        raise LabError(
            f"{mountpoint} is in use by {_users(mountpoint)}",
            hint="end those processes, then try again",
        )


def mountpoints(directory: Path) -> list[Path]:
    """What is mounted at or below a directory, in this process's view."""
    found = (Path(line) for line in _mounts_of("self"))
    return [path for path in found if path == directory or directory in path.parents]


def is_subvolume(path: Path) -> bool:
    """Whether a path on a btrfs is the root of a subvolume."""
    return path.is_dir() and not path.is_symlink() and path.stat().st_ino == _SUBVOLUME_INODE


def create(path: Path) -> None:
    """Make an empty subvolume, unless it is there."""
    if not is_subvolume(path):
        run(["btrfs", "-q", "subvolume", "create", str(path)])


def snapshot(source: Path, target: Path, *, writable: bool) -> None:
    """Snapshot one subvolume; those nested in it become empty directories, as btrfs has it."""
    options = () if writable else ("-r",)
    run(["btrfs", "-q", "subvolume", "snapshot", *options, str(source), str(target)])


def delete(path: Path) -> None:
    """Delete a subvolume and all those nested in it, read-only ones too; one not there is fine."""
    if not is_subvolume(path):
        return
    if is_read_only(path):
        set_read_only(path, value=False)
    for child in _children(path):
        delete(child)
    run(["btrfs", "-q", "subvolume", "delete", str(path)])


def nested(path: Path) -> list[Path]:
    """The subvolumes below a subvolume, at any depth, each after the one it lies in."""
    found = []
    for child in _children(path):
        found += [child, *nested(child)]
    return found


def is_read_only(path: Path) -> bool:
    """Whether a subvolume is a read-only snapshot."""
    return run(["btrfs", "property", "get", str(path), "ro"]).stdout.strip() == "ro=true"


def set_read_only(path: Path, *, value: bool) -> None:
    """Make a subvolume read-only, or writable."""
    run(["btrfs", "property", "set", "-f", str(path), "ro", "true" if value else "false"])


def wait_freed(mountpoint: Path) -> None:
    """Wait until the space of what was deleted can be used again.

    Left alone, btrfs frees it within half a minute: when it next commits, cleans, and commits.
    """
    commit = ["btrfs", "filesystem", "sync", str(mountpoint)]
    deleted = ["btrfs", "subvolume", "list", "-d", str(mountpoint)]
    run(commit)
    until(lambda: not run(deleted).stdout.strip(), timeout=30.0)
    run(commit)


def fresh_path(path: Path) -> Path:
    """Where what shall be at ``path`` is made; then it is renamed, whole."""
    return path.with_name(f"{path.name}.new")


def _children(path: Path) -> list[Path]:
    """The subvolumes that lie directly in one, with ordinary directories between at most."""
    top = _mountpoint_of(path)
    listed = run(["btrfs", "subvolume", "list", "-o", str(path)]).stdout.splitlines()
    children = [top / line.split(" path ", 1)[1] for line in listed]
    for child in children:
        if path not in child.parents or not is_subvolume(child):
            raise LabError(
                f"btrfs says {child} lies in {path}, and it does not",
                hint="this is a bug in the lab; nothing was deleted",
            )
    return sorted(children)


def _mountpoint_of(path: Path) -> Path:
    # Not os.path.ismount: it takes every subvolume for a mount point.
    mounted = {Path(line) for line in _mounts_of("self")}
    return next(above for above in (path, *path.parents) if above in mounted)


def _is_detached(image: Path) -> bool:
    """Whether no loop device stood on an image; those that did were told to go."""
    devices = run(["losetup", "-n", "-O", "NAME", "-j", str(image)]).stdout.split()
    for device in devices:
        attempt(["losetup", "-d", device])
    return not devices


def _users(directory: Path) -> str:
    """Processes with a mount below a directory in their view, or a file open there."""
    held = [pid for pid in _pids() if _uses(pid, directory)]
    return ", ".join(f"{pid} ({_name(pid)})" for pid in held[:5]) or "a container that booted since"


def _uses(pid: str, directory: Path) -> bool:
    process = Path("/proc") / pid
    try:
        links = [process / "cwd", process / "root", *(process / "fd").iterdir()]
        used = [link.readlink() for link in links]
        if not (process / "ns/mnt").samefile("/proc/self/ns/mnt"):
            used += [Path(line) for line in _mounts_of(pid)]
    except OSError:
        return False
    return any(path == directory or directory in path.parents for path in used)


def _mounts_of(pid: str) -> list[str]:
    """The mount points of a process's view; proc(5): field 5, blanks as octal escapes."""
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return [_OCTAL.sub(lambda found: chr(int(found[1], 8)), line.split()[4]) for line in lines]


def _pids() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _name(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"

#!/usr/bin/python
"""Whether a host's volumes can be copied beside themselves: what is there, every reason against.

Changes nothing; copies are the host program's. What a copy would have to hold is estimated by
looking at every file (orchestrator/host/room.py tells what that leaves out), and added up over the
volumes of one file system; whether blocks are shared is tried with two files that have no name.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: snapshot_copy
short_description: Look at volumes that are to be copied
description: [Returns C(wardship.volumes), and with O(refuse=true) C(wardship.refusals).]
options:
  volumes: {type: dict, required: true, description: [Path by name.]}
  min_free_mib: {type: int, default: 0, description: [Room that must be left on each, in MiB.]}
  refuse: {type: bool, default: false, description: [Whether reasons against are looked for.]}
author: [wardship]
"""

MIB = 1024 * 1024
#: Inodes that must be left beside the copies.
SPARE_INODES = 1000
#: ioctl_ficlone(2), and what a file system says that cannot.
FICLONE = 0x40049409
UNSHARED = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)


def mounts(table="/proc/self/mountinfo"):
    """``(mount point, kind, options)`` of every mount (proc(5)); the last on a point is seen."""
    for line in Path(table).read_text(encoding="utf-8").splitlines():
        fields, after = (part.split() for part in line.split(" - ", 1))
        yield fields[4].encode().decode("unicode_escape"), after[0], fields[5]


def below(path, above):
    """Is ``path`` the directory ``above``, or in it?"""
    return path == above or path.startswith(above.rstrip("/") + "/")


def mount(path):
    """The mount that a path lies on."""
    best = ("", "unknown", "")
    for each in mounts():
        if below(path, each[0]) and len(each[0]) >= len(best[0]):
            best = each
    return best


def measured(top):
    """``(bytes on the disk, files, kinds that cannot be copied)`` of all that is below."""
    size, entries, strange = 0, 0, []
    for directory, directories, files in os.walk(top, onerror=_raise):
        for name in [*directories, *files]:
            path = Path(directory, name)
            try:
                found = path.lstat()
            except FileNotFoundError:  # the product works on while we look
                continue
            size += found.st_blocks * 512
            entries += 1
            if not _is_copied(found.st_mode):
                strange.append(path)
    return size, entries, strange


def _raise(error):
    if not isinstance(error, FileNotFoundError):
        raise error


def _is_copied(mode):
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK, stat.S_ISSOCK)
    return any(is_kind(mode) for is_kind in kinds)


def shares_blocks(directory):
    """Whether files there can share blocks; a file system without nameless files cannot."""
    try:
        one = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno in (*UNSHARED, errno.EISDIR):
            return False
        raise
    other = os.open(directory, os.O_TMPFILE | os.O_RDWR, 0o600)
    try:
        os.write(one, bytes(4096))
        fcntl.ioctl(other, FICLONE, one)
    except OSError as error:
        if error.errno in UNSHARED:
            return False
        raise
    else:
        return True
    finally:
        os.close(one)
        os.close(other)


def volume(name, path):
    """A volume as found; sizes in bytes."""
    real = os.path.realpath(path)
    point, kind, _ = mount(real)
    room, inode = os.statvfs(path), Path(path).stat().st_ino
    size, entries, _ = measured(path)
    return {
        "name": name,
        "path": path,
        "filesystem": kind,
        "is_subvolume": kind == "btrfs" and inode == 256,
        "size": room.f_frsize * room.f_blocks,
        "free": room.f_frsize * room.f_bavail,
        "used": size,
        "entries": entries,
        "shares_blocks": "ro" not in mount(real)[2].split(",") and shares_blocks(Path(path).parent),
        "is_mount_point": point == real,
    }


def against(found):
    """Every reason against a copy of this volume, but for the room."""
    path = found["path"]
    real = os.path.realpath(path)
    if found["is_subvolume"]:
        yield f"{path} is a btrfs subvolume, and snapshot: copy is declared"
    if Path(path).is_symlink():
        yield f"{path} is a link to {real}: a copy cannot be put back by rename"
    if found["is_mount_point"]:
        yield f"{path} is a mount point: a copy cannot be put back by rename"
    for point, _, _ in mounts():
        if point != real and below(point, real):
            yield f"{point} is mounted inside {path}: it would not be put back"
    if "ro" in mount(real)[2].split(","):
        yield f"{path} is mounted read-only"
    for each in measured(path)[2][:5]:
        yield f"{each} is neither file, directory, link nor socket: it cannot be copied"


def short(found, min_free_mib):
    """Where copies of these volumes find too little room, told once for each file system."""
    on = {}
    for each in found:
        on.setdefault(Path(each["path"]).stat().st_dev, []).append(each)
    for volumes in on.values():
        of = " and ".join(each["path"] for each in volumes)
        size = sum(each["used"] for each in volumes if not each["shares_blocks"])
        needed, free = min_free_mib * MIB + size, volumes[0]["free"]
        if free < needed:
            yield f"{free // MIB} MiB free, a copy of {of} needs {needed // MIB}"
        # Each volume's own directory is made too.
        entries = SPARE_INODES + sum(1 + each["entries"] for each in volumes)
        room = os.statvfs(volumes[0]["path"])
        if room.f_files and room.f_favail < entries:  # with none in all, they are not counted
            yield f"{room.f_favail} inodes free, a copy of {of} needs {entries}"


def looked(given):
    """Volumes, and refusals."""
    found, refusals = [], []
    for name, path in sorted(given["volumes"].items()):
        try:
            found.append(volume(name, path))
        except OSError as error:
            refusals.append(f"the volume {name} cannot be looked at: {path}: {error.strerror}")
            continue
        refusals += against(found[-1])
    return found, [*refusals, *short(found, given["min_free_mib"])]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "volumes": {"type": "dict", "required": True},
            "min_free_mib": {"type": "int", "default": 0},
            "refuse": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    found, refusals = looked(module.params)
    if module.params["refuse"]:
        seen = [f"snapshot_copy/{name}" for name in sorted(module.params["volumes"])]
        module.exit_json(changed=False, wardship={"refusals": refusals, "looked": seen})
    if len(found) < len(module.params["volumes"]):
        module.fail_json(msg="; ".join(refusals))
    module.exit_json(changed=False, wardship={"volumes": found})


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Whether btrfs snapshots of a host's volumes can be made: what is there, every reason against.

Changes nothing; snapshots are the host program's. A snapshot leaves out subvolumes that lie inside
a volume, so one of those is a refusal.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: snapshot_btrfs
short_description: Look at volumes that are to be snapshotted
description: [Returns C(wardship.volumes), and with O(refuse=true) C(wardship.refusals).]
options:
  volumes: {type: dict, required: true, description: [Path by name.]}
  min_free_mib: {type: int, default: 0, description: [Room that must be left on each, in MiB.]}
  refuse: {type: bool, default: false, description: [Whether reasons against are looked for.]}
author: [wardship]
"""

#: The root of every btrfs subvolume has this inode number (btrfs-man5).
SUBVOLUME_INODE = 256
MIB = 1024 * 1024


def mount(path, mounts="/proc/self/mountinfo"):
    """``(mount point, kind, options)`` of what a path lies on (proc(5)).

    The device number does not tell: every btrfs subvolume has one of its own.
    """
    best = ("", "unknown", "")
    with Path(mounts).open(encoding="utf-8") as file:
        for line in file:
            fields, after = (part.split() for part in line.split(" - ", 1))
            point = fields[4].encode().decode("unicode_escape")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best[0]):
                best = (point, after[0], fields[5])
    return best


def volume(name, path):
    """A volume as found; sizes in bytes."""
    _, kind, _ = mount(os.path.realpath(path))
    room = os.statvfs(path)
    return {
        "name": name,
        "path": path,
        "filesystem": kind,
        "is_subvolume": kind == "btrfs" and Path(path).stat().st_ino == SUBVOLUME_INODE,
        "size": room.f_frsize * room.f_blocks,
        "free": room.f_frsize * room.f_bavail,
    }


def against(found, min_free_mib):
    """Every reason against a snapshot of this volume."""
    path = found["path"]
    if found["filesystem"] != "btrfs":
        yield f"{path} is on {found['filesystem']}, a snapshot needs btrfs"
        return
    if not found["is_subvolume"]:
        yield f"{path} is not a btrfs subvolume"
    if found["free"] < min_free_mib * MIB:
        yield f"{path} has {found['free'] // MIB} MiB free, the change needs {min_free_mib}"
    point, _, options = mount(os.path.realpath(path))
    if "ro" in options.split(","):
        yield f"{path} is mounted read-only"
    if point == os.path.realpath(path):
        yield f"{path} is a mount point: a snapshot cannot be put back by rename"
    if not shutil.which("btrfs"):
        yield "the program btrfs is not there (package btrfs-progs)"
    else:
        yield from inner(path)


def inner(path):
    """Subvolumes directly inside; ``-o`` lists no others, whatever else the file system holds."""
    argv = ["btrfs", "subvolume", "list", "-o", path]
    ended = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    if ended.returncode:
        yield f"the subvolumes inside {path} could not be listed: {ended.stderr.strip()}"
    for line in ended.stdout.splitlines():
        yield f"{path} has a subvolume inside, which no snapshot of it holds: {line.split()[-1]}"


def looked(given):
    """Volumes, and refusals if they are asked for."""
    found, refusals = [], []
    for name, path in sorted(given["volumes"].items()):
        try:
            found.append(volume(name, path))
        except OSError as error:
            refusals.append(f"the volume {name} cannot be looked at: {path}: {error.strerror}")
            continue
        refusals += against(found[-1], given["min_free_mib"])
    return found, refusals


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
        seen = [f"snapshot_btrfs/{name}" for name in sorted(module.params["volumes"])]
        module.exit_json(changed=False, wardship={"refusals": refusals, "looked": seen})
    if len(found) < len(module.params["volumes"]):
        module.fail_json(msg="; ".join(refusals))
    module.exit_json(changed=False, wardship={"volumes": found})


if __name__ == "__main__":
    main()

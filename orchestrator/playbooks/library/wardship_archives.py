#!/usr/bin/python
"""Archives: volumes that a change lists, holds and never copies. What is there, what is against it.

Changes nothing. An archive that shares its file system with another volume is a refusal: that is
how a mount that is missing looks, and a product would start on an empty directory.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

#: File systems that have no hard links, or have them only by the grace of their server.
WITHOUT_LINKS = ("cifs", "smb3", "vfat", "exfat", "msdos")

DOCUMENTATION = r"""
module: wardship_archives
short_description: Look at volumes that are never copied
description: [Returns C(wardship.volumes); with O(refuse=true) reasons and what was looked at.]
options:
  volumes: {type: dict, required: true, description: [Path of every volume by name.]}
  archives: {type: list, elements: str, required: true, description: [Which of them are such.]}
  refuse: {type: bool, default: false, description: [Whether reasons against are looked for.]}
author: [wardship]
"""


def filesystem(path, mounts="/proc/self/mounts"):
    """Its kind, by proc(5)."""
    best = ("", "unknown")
    for line in Path(mounts).read_text(encoding="utf-8").splitlines():
        _, point, kind = line.split()[:3]
        point = point.encode().decode("unicode_escape")
        if path == point or path.startswith(point.rstrip("/") + "/"):
            best = max(best, (point, kind), key=lambda each: len(each[0]))
    return best[1]


def volume(name, path):
    """An archive as found; sizes in bytes, ``entries`` of its whole file system."""
    real = os.path.realpath(path)
    room = os.statvfs(path)
    # A file system without a table of inodes (btrfs) counts none: then it is not known.
    entries = room.f_files - room.f_ffree if room.f_files else None
    return {
        "name": name,
        "path": path,
        "filesystem": filesystem(real),
        "is_subvolume": False,
        "size": room.f_frsize * room.f_blocks,
        "free": room.f_frsize * room.f_bavail,
        "entries": entries,
    }


def against(name, volumes):
    """Every reason against a change that relies on this archive."""
    path = volumes[name]
    if not os.access(path, os.W_OK):
        yield f"the archive {path} is mounted read-only"
    kind = filesystem(os.path.realpath(path))
    if kind in WITHOUT_LINKS:
        yield f"the archive {path} is on {kind}: its objects cannot be held by hard links"
    for other, place in sorted(volumes.items()):
        if other != name and Path(place).exists() and _device(place) == _device(path):
            yield f"the archive {path} lies on one file system with {place}: is it mounted?"


def _device(path):
    return Path(path).stat().st_dev


def looked(given):
    """Archives, and reasons against them."""
    found, refusals = [], []
    for name in sorted(given["archives"]):
        path = given["volumes"][name]
        try:
            found.append(volume(name, path))
            refusals += against(name, given["volumes"])
        except OSError as error:
            refusals.append(f"the archive {name} cannot be looked at: {path}: {error.strerror}")
    return found, refusals


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "volumes": {"type": "dict", "required": True},
            "archives": {"type": "list", "elements": "str", "required": True},
            "refuse": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    found, refusals = looked(module.params)
    if module.params["refuse"]:
        seen = [f"archives/{name}" for name in sorted(module.params["archives"])]
        module.exit_json(changed=False, wardship={"refusals": refusals, "looked": seen})
    module.exit_json(changed=False, wardship={"volumes": found, "problems": refusals})


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""Whether what comes while a door is shut can be parked: every reason against. Changes nothing."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dicom_spool_precheck
short_description: Refuse parking with every reason
description: [Returns C(wardship.refusals), empty if there are none, and C(wardship.looked).]
options:
  directory: {type: path, required: true, description: [Where items are kept.]}
  quota_mib: {type: int, required: true, description: [How much of them, in MiB.]}
  ports: {type: list, elements: int, required: true, description: [Where the spool listens.]}
  identity: {type: list, elements: path, required: true, description: [Files of its TLS identity.]}
author: [wardship]
"""

USER = "wardship-spool"
PROGRAM = "/usr/local/lib/wardship/wardship-spool"
#: What the spool leaves free whatever its quota says (orchestrator/spool/store.py), in MiB.
RESERVE = 64
MIB = 1024 * 1024
#: The oldest Python that the spool's libraries run on.
OLDEST = (3, 10)


def program(path=PROGRAM, version=None):
    """The spool is staged, and Python can run it."""
    found = version or sys.version_info[:2]
    if found < OLDEST:
        yield f"Python is {found[0]}.{found[1]} here, parking needs 3.10 or later"
    if not os.access(path, os.X_OK):
        yield f"{path} is not staged"
    for tool in ("runuser", "ss", "nft", "install"):
        if not shutil.which(tool):
            yield f"the program {tool} is not there"


def room(directory, quota_mib):
    """The whole quota fits, beside what is left free."""
    place = Path(directory)
    while not place.exists():
        place = place.parent
    about = os.statvfs(place)
    free, needed = about.f_frsize * about.f_bavail // MIB, quota_mib + RESERVE
    if free < needed:
        yield f"{directory} has {free} MiB free, parking needs {needed}"
    if about.f_flag & os.ST_RDONLY:
        yield f"{directory} is mounted read-only"


def user(directory, name=USER):
    """Whom the spool runs as is there, and owns its directory where that is there already."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        yield f"there is no user {name}"
        return
    place = Path(directory)
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        yield f"{directory} is no directory"
    elif place.is_dir() and place.stat().st_uid != uid:
        yield f"{directory} belongs to somebody else than {name}"


def ports(wanted):
    """Nobody else listens where the spool will."""
    argv = ["ss", "-Hltnp"]
    ended = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=30)
    if ended.returncode:
        yield f"who listens is not known: ss: {ended.stderr.strip()}"
    for line in ended.stdout.splitlines():
        port = line.split()[3].rpartition(":")[2]
        if port in {str(each) for each in wanted} and "wardship-spool" not in line:
            yield f"port {port} is taken, parking needs it: {line.split()[-1]}"


def identity(files):
    """The product's own certificate, key and authority are there."""
    for path in files:
        if not Path(path).is_file():
            yield f"{path} is not there, parking needs it to answer as the product"


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "quota_mib": {"type": "int", "required": True},
            "ports": {"type": "list", "elements": "int", "required": True},
            "identity": {"type": "list", "elements": "path", "required": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    refusals = [
        *program(),
        *room(given["directory"], given["quota_mib"]),
        *user(given["directory"]),
        *ports(given["ports"]),
        *identity(given["identity"]),
    ]
    seen = ["dicom_spool/parking"]
    module.exit_json(changed=False, wardship={"refusals": refusals, "looked": seen})


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""How much room there is where a change will put things. Changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: wardship_space
short_description: Free room at paths that may not be there yet
description: [Returns C(wardship.space).]
options:
  paths: {type: list, elements: path, required: true, description: [The paths.]}
author: [wardship]
"""


def free(path):
    """Bytes that are free on the file system that ``path`` lies on, or would lie on."""
    there = next(each for each in (path, *path.parents) if each.exists())
    room = os.statvfs(there)
    return room.f_frsize * room.f_bavail


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"paths": {"type": "list", "elements": "path", "required": True}},
        supports_check_mode=True,
    )
    try:
        found = [{"path": path, "free": free(Path(path))} for path in module.params["paths"]]
    except OSError as error:
        module.fail_json(msg=f"the room on the host could not be learned: {error}")
    module.exit_json(changed=False, wardship={"space": found})


if __name__ == "__main__":
    main()

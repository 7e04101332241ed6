#!/usr/bin/python
"""Lays down exactly the given files in one directory; shows how they differ from the live ones.

For scripts and configuration of a change, which apply installs later. The difference that a check
shows is against the directory where the files will go, not against the staged copies, since that is
what the hospital will notice. Masked values of JSON files are compared and never shown.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import stat
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.wardship_masks import lines, scrubbed

DOCUMENTATION = r"""
module: wardship_files
short_description: Lay down exactly these files in a directory
description: [Other files in the directory are removed. Check mode and difference are supported.]
options:
  dest: {type: path, required: true, description: [The directory.]}
  mode: {type: str, default: "0700", description: [Mode of the directory.]}
  owner: {type: str, default: root, description: [Owner of all.]}
  group: {type: str, default: root, description: [Group of all.]}
  compare: {type: path, description: [The live directory that differences are shown against.]}
  masked: {type: list, elements: str, default: [], description: [More keys of secrets.]}
  files:
    type: list
    elements: dict
    required: true
    description: [The files.]
    suboptions:
      name: {type: str, required: true, description: [File name.]}
      mode: {type: str, required: true, description: [File mode.]}
  contents: {type: dict, required: true, description: [The text of each file by its name.]}
author: [wardship]
"""

_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def read(path):
    """The text of a file; None if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def parsed(text):
    """What a JSON file with comments says.

    Raises:
        ValueError: it is none.
    """
    return json.loads(_COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else " ", text))


def shown(text, masked, other=None):
    """A file's text as it may be shown: JSON as one line a value, secrets only compared."""
    if text is None:
        return ""
    try:
        found = parsed(text)
    except ValueError:
        # What is no JSON may hold a secret anywhere.
        if masked:
            return f"(not JSON, {len(text)} characters, not shown)\n"
        # Ansible takes for a secret what equals a given text whole: one line end less does not.
        return scrubbed(text, other).removesuffix("\n")
    try:
        twin = parsed(other or "null")
    except ValueError:
        twin = None
    return "".join(f"{line}\n" for line in lines(found, twin, masked))


def difference(given):
    """One entry a file whose live twin differs."""
    if not given["compare"]:
        return []
    entries = []
    for file in given["files"]:
        live = Path(given["compare"], file["name"])
        before, after = read(live), given["contents"][file["name"]]
        old, new = shown(before, given["masked"]), shown(after, given["masked"], before)
        if old != new:
            header = {"before_header": str(live), "after_header": str(live)}
            entries.append({"before": old, "after": new, **header})
    return entries


def owned(path, given, mode):
    """Whether owner, group and mode are as they should be."""
    found = path.lstat()
    wanted = (pwd.getpwnam(given["owner"]).pw_uid, grp.getgrnam(given["group"]).gr_gid)
    return (found.st_uid, found.st_gid) == wanted and stat.S_IMODE(found.st_mode) == mode


def wrong(given):
    """Names of what is not as it should be: to write, to remove, or the directory itself."""
    dest, mode = Path(given["dest"]), int(given["mode"], 8)
    names = {file["name"] for file in given["files"]}
    if not dest.is_dir():
        return [str(dest), *sorted(names)]
    there = {path.name for path in dest.iterdir()}
    found = [] if owned(dest, given, mode) else [str(dest)]
    for file in given["files"]:
        path = dest / file["name"]
        same = file["name"] in there and read(path) == given["contents"][file["name"]]
        if not same or not owned(path, given, int(file["mode"], 8)):
            found.append(file["name"])
    return found + sorted(there - names)


def lay_down(given):
    """Write what differs, each under a temporary name first, and remove what does not belong."""
    dest = Path(given["dest"])
    user, group = pwd.getpwnam(given["owner"]).pw_uid, grp.getgrnam(given["group"]).gr_gid
    dest.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(dest, user, group)
    dest.chmod(int(given["mode"], 8))
    for file in given["files"]:
        handle, name = tempfile.mkstemp(dir=dest, prefix=".")
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(given["contents"][file["name"]])
            out.flush()
            os.fsync(out.fileno())
        os.chown(name, user, group)
        Path(name).chmod(int(file["mode"], 8))
        Path(name).rename(dest / file["name"])
    names = {file["name"] for file in given["files"]}
    for left in [path for path in dest.iterdir() if path.name not in names]:
        left.unlink()
    directory = os.open(dest, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "mode": {"type": "str", "default": "0700"},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "compare": {"type": "path"},
            "masked": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "mode": {"type": "str", "required": True},
                },
            },
            # Configuration holds passwords. Only at this level does Ansible keep a parameter out
            # of the host's journal; of a list's parts it keeps none out.
            "contents": {"type": "dict", "required": True, "no_log": True},
        },
        supports_check_mode=True,
    )
    given = module.params
    names = {file["name"] for file in given["files"]}
    texts = {name for name, content in given["contents"].items() if isinstance(content, str)}
    if names != texts:
        module.fail_json(msg=f"without a text: {', '.join(sorted(names ^ texts))}")
    try:
        found, diff = wrong(given), difference(given)
        if found and not module.check_mode:
            lay_down(given)
    except (OSError, KeyError) as error:
        module.fail_json(msg=f"{given['dest']}: {error}")
    module.exit_json(changed=bool(found), diff=diff, touched=found)


if __name__ == "__main__":
    main()

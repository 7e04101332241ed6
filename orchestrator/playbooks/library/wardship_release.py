#!/usr/bin/python
"""Puts a release beside the others, whole or not at all; takes one away when nothing needs it.

A release that is there is only believed if every file of it still has the content it was unpacked
with. What ``current`` names is never touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: wardship_release
short_description: Unpack a release beside the others, or remove one
description: [Check mode is supported.]
options:
  state: {type: str, choices: [present, absent], default: present, description: [What is wanted.]}
  root: {type: path, required: true, description: [Where the releases lie side by side.]}
  release: {type: str, required: true, description: [The release, which names its directory.]}
  artifact: {type: path, description: [The archive on the host.]}
  sha256: {type: str, description: [The archive's hash.]}
  requires: {type: list, elements: str, default: [], description: [Files it must have.]}
  proof: {type: list, elements: str, default: [], description: [A program in it and its arguments.]}
  proof_user: {type: str, default: nobody, description: [Who runs that program.]}
  reserve_mib: {type: int, default: 256, description: [Room to be left, in MiB.]}
  changes: {type: path, description: [Directory of all changes of the host.]}
  change: {type: str, description: [The change that no longer needs the release.]}
author: [wardship]
"""

MARKER = ".wardship-release.json"
MIB = 1024 * 1024


class RefusalError(Exception):
    """Why nothing was done."""


def tree_hash(directory):
    """SHA-256 over every name, kind, mode and content below, but the marker."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        found = path.lstat()
        if path == directory / MARKER or stat.S_ISDIR(found.st_mode):
            continue
        what = str(path.readlink()) if stat.S_ISLNK(found.st_mode) else file_hash(path)
        shape = f"{path.relative_to(directory)}\0{found.st_mode:o}\0{what}\0"
        digest.update(shape.encode())
    return digest.hexdigest()


def file_hash(path):
    """SHA-256 of one file."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        for block in iter(lambda: file.read(MIB), b""):
            digest.update(block)
    return digest.hexdigest()


def is_whole(target, sha256):
    """Whether the release there is the one of this artifact, untouched."""
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return marker.get("sha256") == sha256 and marker.get("tree") == tree_hash(target)


def is_current(root, release):
    """Whether ``current`` names it."""
    return (root / "current").resolve() == (root / release).resolve()


def present(given, *, check):
    """Unpack the release if it is not there whole. True if something changed."""
    root, release, artifact = Path(given["root"]), given["release"], Path(given["artifact"])
    target = root / release
    if is_whole(target, given["sha256"]):
        return False
    if os.path.lexists(target) and is_current(root, release):
        raise RefusalError(f"{target} runs and is not what the artifact holds: it is not touched")
    if check and not artifact.exists():
        return True
    if file_hash(artifact) != given["sha256"]:
        raise RefusalError(f"{artifact} does not have the hash that the plan names")
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    with tarfile.open(artifact) as archive:
        members = archive.getmembers()
        has_room(root, sum(member.size for member in members), given["reserve_mib"])
        links = {posixpath.normpath(member.name) for member in members if member.issym()}
        for member in members:
            is_safe(member, links)
        if not check:
            partial = root / f".{release}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            unpack(archive, members, partial)
            prove(partial, given)
            put_in_place(partial, target, sha256=given["sha256"])
    return True


def put_in_place(partial, target, *, sha256):
    """The finished release takes its name only when it is on the disk."""
    marker = {"release": target.name, "sha256": sha256, "tree": tree_hash(partial)}
    (partial / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    subprocess.run(["sync", "--file-system", str(partial)], check=True)
    aside = target.with_name(f".{target.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    if os.path.lexists(target):
        target.rename(aside)
    partial.rename(target)
    subprocess.run(["sync", "--file-system", str(target)], check=True)
    shutil.rmtree(aside, ignore_errors=True)


def has_room(root, size, reserve_mib):
    """Refuse before anything is written."""
    room = os.statvfs(root)
    free, need = room.f_bavail * room.f_frsize, size + reserve_mib * MIB
    if free < need:
        raise RefusalError(f"{root} has {free // MIB} MiB free, unpacking needs {need // MIB} MiB")


def is_safe(member, links):
    """Refuse a member that leaves the release or is no file, directory or link (CVE-2007-4559).

    Nor may one lie behind a symbolic link of the archive: its own path would say nothing then.
    """
    parents = posixpath.normpath(member.name).split("/")[:-1]
    behind = {"/".join(parents[: depth + 1]) for depth in range(len(parents))} & links
    if behind:
        raise RefusalError(f"the artifact holds {member.name} behind the link {min(behind)}")
    targets = [member.name]
    if member.issym():
        targets.append(posixpath.join(posixpath.dirname(member.name), member.linkname))
    elif member.islnk():
        targets.append(member.linkname)
    elif not (member.isfile() or member.isdir()):
        raise RefusalError(f"the artifact holds {member.name}, which is no file, directory or link")
    for name in targets:
        parts = posixpath.normpath(name).split("/")
        if posixpath.isabs(name) or parts[0] == "..":
            raise RefusalError(f"the artifact holds {member.name}, which leads out of the release")


def unpack(archive, members, partial):
    """Everything belongs to root, nothing is writable by others or set-uid."""
    partial.mkdir(mode=0o755)
    # What the newer "data" filter refuses was refused above, on hosts that do not have it too.
    trust = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    for member in members:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mode = 0o755 if member.isdir() or member.mode & 0o111 else 0o644
        archive.extract(member, partial, set_attrs=not member.issym(), **trust)
    partial.chmod(0o755)  # whatever the archive says of its top


def prove(partial, given):
    """The release has what it must, and its own program says which release it is."""
    for name in given["requires"]:
        if not (partial / name).is_file():
            raise RefusalError(f"the artifact has no {name}")
    if not given["proof"]:
        return
    program, *arguments = given["proof"]
    argv = ["runuser", "-u", given["proof_user"], "--", str(partial / program), *arguments]
    ended = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60, cwd="/")
    words = ended.stdout.split()
    if ended.returncode or given["release"] not in words:
        said = (ended.stdout or ended.stderr).strip().splitlines()[:1] or ["nothing"]
        raise RefusalError(
            f"the artifact's program does not say {given['release']}, but: {said[0]}"
        )


def absent(given, *, check):
    """Remove a release that we laid down and that nothing needs. ``(changed, why it is kept)``."""
    root, release = Path(given["root"]), given["release"]
    target = root / release
    if not os.path.lexists(target):
        return False, ""
    if is_current(root, release):
        return False, "current names it"
    if not (target / MARKER).exists():
        return False, "it was not laid down by wardship"
    if user := needed_by(Path(given["changes"]), given["change"], release):
        return False, f"the change {user} may need it"
    if not check:
        shutil.rmtree(target)
    return True, ""


def needed_by(changes, change, release):
    """Another change, not cleaned up, that goes from or to this release; unreadable ones count."""
    for manifest in sorted(changes.glob("*/change.json")):
        directory = manifest.parent
        if directory.name == change or (directory / "cleaned.json").exists():
            continue
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return directory.name
        known = (found.get("from_release"), *found.get("hops", []), found.get("to_release"))
        if release in known:
            return directory.name
    return ""


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "root": {"type": "path", "required": True},
            "release": {"type": "str", "required": True},
            "artifact": {"type": "path"},
            "sha256": {"type": "str"},
            "requires": {"type": "list", "elements": "str", "default": []},
            "proof": {"type": "list", "elements": "str", "default": []},
            "proof_user": {"type": "str", "default": "nobody"},
            "reserve_mib": {"type": "int", "default": 256},
            "changes": {"type": "path"},
            "change": {"type": "str"},
        },
        required_if=[
            ("state", "present", ("artifact", "sha256")),
            ("state", "absent", ("changes", "change")),
        ],
        supports_check_mode=True,
    )
    given = module.params
    try:
        if given["state"] == "present":
            changed, kept = present(given, check=module.check_mode), ""
        else:
            changed, kept = absent(given, check=module.check_mode)
    except (RefusalError, OSError, subprocess.SubprocessError, tarfile.TarError) as error:
        module.fail_json(msg=f"release {given['release']}: {error}")
    wanted = given["state"]
    before = {"present": "absent", "absent": "present"}[wanted]
    path = str(Path(given["root"], given["release"]))
    diff = {"before": {"path": path, "state": before}, "after": {"path": path, "state": wanted}}
    module.exit_json(changed=changed, kept=kept, diff=diff if changed else {})


if __name__ == "__main__":
    main()

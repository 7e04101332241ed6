#!/usr/bin/python
"""What is really there of GNU Health on a host, and what of it the declaration does not know.

Changes nothing. What could not be read is null with a problem that says why; a host without a
readable release is an error. General: what only the product knows is in ``gnuhealth_product``.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import stat
from pathlib import Path

from ansible.module_utils import gnuhealth_bridge as bridge
from ansible.module_utils import gnuhealth_product as product
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gnuhealth_host import ProblemError, run, unit

DOCUMENTATION = r"""
module: gnuhealth_survey
short_description: Look at a host of GNU Health without touching it
description: [Returns what C(HostSurvey) holds under C(wardship.survey), and C(wardship.problems).]
options:
  host: {type: str, required: true, description: [Name of the host in the fleet.]}
  product: {type: str, required: true, description: [Name of the product in the fleet.]}
  names: {type: dict, required: true, description: [What is where on this host.]}
  paths: {type: list, elements: path, required: true, description: [What a restore puts back.]}
  declared: {type: dict, required: true, description: [The settings to be.]}
author: [wardship]
"""

PROGRAM = "/usr/local/lib/wardship/wardship-host"


def release(root):
    """The release that ``current`` names."""
    link = Path(root) / "current"
    try:
        target = link.readlink()
    except OSError as error:
        raise ProblemError(f"no release can be read from {link}: {error.strerror}") from error
    if not link.is_dir():
        raise ProblemError(f"{link} leads to {target}, where no release is")
    return target.name


def fingerprint(paths):
    """SHA-256 over names, kinds, owners, modes and contents below the declared paths."""
    digest = hashlib.sha256()
    for path in map(Path, sorted(paths)):
        below = [] if path.is_symlink() else sorted(path.rglob("*"))
        for each in [path, *below]:
            digest.update(f"{each}\0{_shape(each)}\0".encode())
    return digest.hexdigest()


def _shape(path):
    try:
        found = path.lstat()
    except FileNotFoundError:
        return "absent"
    if stat.S_ISLNK(found.st_mode):
        return f"link {path.readlink()}"
    owner = f"{stat.S_IMODE(found.st_mode):o} {found.st_uid}:{found.st_gid}"
    if stat.S_ISREG(found.st_mode):
        return f"file {owner} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"{stat.S_IFMT(found.st_mode):o} {owner}"


def operating_system():
    """Its own name for itself."""
    for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip("\"'")
    raise ProblemError("/etc/os-release has no PRETTY_NAME")


def lock():
    """``(locked_by, epoch)`` as the host program knows them; never staged: nobody, 0."""
    if not Path(PROGRAM).exists():
        return None, 0
    try:
        found = json.loads(run([PROGRAM, "status"]))
        left = [each["change"] for each in found["changes"] if each["needs"] != "nothing"]
        return (str(left[0]) if left else None), int(found["epoch"] or 0)
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(f"the host program's status cannot be read: {error}") from error


def compared(live, declared):
    """What would be lost or become another by a change, in words; no value is told."""
    for section, settings in sorted(live.items()):
        for name, value in sorted(settings.items()):
            wanted = declared.get(section, {}).get(name)
            there = without_password(value) if (section, name) == ("database", "uri") else value
            if wanted is None:
                yield f"the setting {name} in [{section}] is made there and not declared"
            elif str(wanted) != there:
                yield f"the setting {name} in [{section}] is another there than declared"
    for section, settings in sorted(declared.items()):
        for name in sorted(settings):
            if name not in live.get(section, {}):
                yield f"the setting {name} in [{section}] is declared and not made there"


def without_password(uri):
    """The database's URI as it is declared."""
    return re.sub(r"(?<=://)([^:@/]*):[^@/]*@", r"\1@", uri)


def not_there(names, paths):
    """Declared services and paths that this host does not have."""
    for name in names["services"]:
        if unit(name).get("LoadState") != "loaded":
            yield f"the service {name} is not known there"
    for path in sorted(set(map(Path, paths)) - set(bridge.PATHS)):
        if not path.exists():
            yield f"{path} is not there: a restore could not put it back"


def surveyed(given):
    """The survey and its problems."""
    names, problems = given["names"], []

    def tried(what, look, otherwise):
        try:
            return look()
        except (ProblemError, OSError, ValueError, KeyError) as error:
            problems.append(f"{what}: {error}")
            return otherwise

    problems += tried("services and paths", lambda: list(not_there(names, given["paths"])), [])
    running = tried("running release", lambda: product.running(names), None)
    counts = tried("counts", lambda: product.counts(names), {})
    ago = tried("what was received", lambda: product.received_ago(names), None)
    live = tried("configuration", lambda: product.configuration(names), {})
    of = tried("database", lambda: product.series(names), None)
    at = release(names["root"])
    if of and of != product.series_of(at):
        problems.append(f"the database is of GNU Health {of}, release {at} cannot read all of it")
    problems += tried("bridge", lambda: list(bridge.moved(names["bridge_ports"])), [])
    problems += tried("modules", lambda: list(product.missing_modules(names)), [])
    locked_by, epoch = tried("host program", lock, (None, 0))
    lost = list(compared(live, given["declared"])) if live else []
    units = {name: unit(name) for name in names["services"]}
    survey = {
        "host": given["host"],
        "product": given["product"],
        "release": at,
        "running": running,
        "config_hash": fingerprint(given["paths"]),
        "os": operating_system(),
        "python": platform.python_version(),
        "services": [
            {
                "name": name,
                "active": seen.get("ActiveState") or "unknown",
                "enabled": seen.get("UnitFileState") or "unknown",
            }
            for name, seen in units.items()
        ],
        "locked_by": locked_by,
        "host_epoch": epoch,
        "counts": counts,
        "differences": [],
        "brings_tcp": tried("bridge", lambda: bridge.brings(names["bridge_ports"]), []),
    }
    return {"survey": survey, "problems": problems + lost, "received_ago": ago}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "product": {"type": "str", "required": True},
            "names": {"type": "dict", "required": True},
            "paths": {"type": "list", "elements": "path", "required": True},
            "declared": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, wardship=surveyed(module.params))
    except (ProblemError, OSError) as problem:
        module.fail_json(msg=str(problem))


if __name__ == "__main__":
    main()

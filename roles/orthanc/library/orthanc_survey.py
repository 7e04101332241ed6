#!/usr/bin/python
"""What is really there of Orthanc on a host, and what of it the declaration does not know.

Changes nothing. Unknown is never a guess: what could not be read is null with a problem that says
why, and a host without a readable release is an error.
"""

from __future__ import annotations

import hashlib
import json
import platform
import stat
import subprocess
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orthanc_host import (
    ProblemError,
    Web,
    configuration,
    run,
    unit,
)
from ansible.module_utils.wardship_masks import is_secret, shown_value

DOCUMENTATION = r"""
module: orthanc_survey
short_description: Look at an Orthanc host without touching it
description: [Returns what C(HostSurvey) holds under C(wardship.survey), and C(wardship.problems).]
options:
  host: {type: str, required: true, description: [Name of the host in the fleet.]}
  product: {type: str, required: true, description: [Name of the product in the fleet.]}
  root: {type: path, required: true, description: [Where the releases lie side by side.]}
  configuration: {type: path, required: true, description: [Directory of its configuration.]}
  services: {type: list, elements: str, required: true, description: [Units, in start order.]}
  paths: {type: list, elements: path, required: true, description: [What the configuration is.]}
  declared: {type: dict, required: true, description: [The configuration to be, without secrets.]}
  chosen: {type: dict, default: {}, description: [Settings that the declaration names itself.]}
author: [wardship]
"""

PROGRAM = "/usr/local/lib/wardship/wardship-host"
COUNTS = {
    "patients": "CountPatients",
    "studies": "CountStudies",
    "series": "CountSeries",
    "instances": "CountInstances",
}


def release(root):
    """The release that ``current`` names."""
    link = Path(root) / "current"
    try:
        target = link.readlink()
    except OSError as error:
        raise ProblemError(f"no release can be read from {link}: {error.strerror}") from error
    if not (link / "bin").is_dir():
        raise ProblemError(f"{link} leads to {target}, where no release is")
    return target.name


def fingerprint(paths):
    """SHA-256 over names, kinds, owners, modes and contents below the declared paths."""
    digest = hashlib.sha256()
    for path in map(Path, sorted(paths)):
        for each in [path, *_below(path)]:
            digest.update(f"{each}\0{_shape(each)}\0".encode())
    return digest.hexdigest()


def _below(path):
    return [] if path.is_symlink() else sorted(path.rglob("*"))


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


def services(names):
    """Each unit in systemd's own words."""
    found = {name: unit(name) for name in names}
    return [
        {
            "name": name,
            "active": seen.get("ActiveState") or "unknown",
            "enabled": seen.get("UnitFileState") or "unknown",
        }
        for name, seen in found.items()
    ]


def lock():
    """``(locked_by, epoch)`` as the host program knows them; never staged: nobody, 0."""
    if not Path(PROGRAM).exists():
        return None, 0
    try:
        found = json.loads(run([PROGRAM, "status"]))
        return unfinished(found), int(found["epoch"] or 0)
    except (ValueError, TypeError, KeyError) as error:
        raise ProblemError(f"the host program's status cannot be read: {error}") from error


def unfinished(status):
    """The change that is not through on this host, if there is one."""
    left = [each["change"] for each in status["changes"] if each["needs"] != "nothing"]
    return str(left[0]) if left else None


def answers(web):
    """``(running release, counts)`` as Orthanc itself says them."""
    running = str(web.call("GET", "/system")["Version"])
    statistics = web.call("GET", "/statistics", timeout=60)
    return running, {name: int(statistics[key]) for name, key in COUNTS.items()}


def differences(live, declared, chosen):
    """``(undeclared, intended)``: what would be lost or be another after a change, in words.

    A setting may become another only where the declaration names it itself (``chosen``): that is
    intended, and told. Anything else is undeclared.
    """
    problems = list(_modalities(live.get("DicomModalities", {}), declared["DicomModalities"]))
    problems += [
        f"the web account {user} is configured there and not declared"
        for user in live.get("RegisteredUsers") or {}
        if user not in declared["RegisteredUsers"]
    ]
    loaded = {Path(plugin).name for plugin in live.get("Plugins", [])}
    known = {Path(plugin).name for plugin in declared["Plugins"]}
    left_out = [f"the plugin {name} is loaded there and not declared" for name in loaded - known]
    intended = left_out if "Plugins" in chosen else []
    problems += left_out if "Plugins" not in chosen else []
    skip = {"DicomModalities", "RegisteredUsers", "Plugins"}
    rest = {name: value for name, value in live.items() if name not in skip}
    undeclared, named = [], []
    for is_chosen, told in _settings(rest, declared, chosen):
        (named if is_chosen else undeclared).append(told)
    return sorted([*problems, *undeclared]), sorted([*intended, *named])


def _modalities(live, declared):
    """AE titles with another address or none in the declaration (PS3.8 section 9.3.2)."""
    known = {entry[0]: entry[1:3] for entry in map(_entry, declared.values())}
    for aet, address, port in map(_entry, live.values()):
        if aet not in known:
            yield f"the AE {aet} ({address}:{port}) is configured there and not declared"
        elif [address, port] != known[aet]:
            where, at = known[aet]
            yield f"the AE {aet} is {address}:{port} there, declared is {where}:{at}"
    if "WARDSHIP" not in {_entry(each)[0] for each in live.values()}:
        yield "the probe's AE WARDSHIP (127.0.0.1:11112) is not configured there: add it once"


def _entry(modality):
    """Orthanc writes a modality as a list or as an object."""
    if isinstance(modality, dict):
        return [modality.get("AET"), modality.get("Host"), modality.get("Port")]
    return list(modality[:3])


def _settings(live, declared, chosen, prefix=""):
    for name, value in live.items():
        path = prefix + name
        picked = chosen.get(name) if isinstance(chosen, dict) else None
        if name not in declared:
            if path != "PostgreSQL.Password":
                yield False, f"the setting {path} is made there and not declared (orthanc_extra)"
        elif isinstance(value, dict) and isinstance(declared[name], dict):
            yield from _settings(value, declared[name], picked, f"{path}.")
        elif value != declared[name]:
            hidden = any(map(is_secret, path.split(".")))
            there = shown_value(value, declared[name], hidden=hidden)
            told = shown_value(declared[name], value, hidden=hidden)
            yield picked is not None, f"the setting {path} is {there} there, declared is {told}"


def surveyed(given):
    """The survey and its problems."""
    problems = []

    def tried(what, look, otherwise):
        try:
            return look()
        except (ProblemError, OSError, KeyError, subprocess.SubprocessError) as error:
            problems.append(f"{what}: {error}")
            return otherwise

    live = tried("configuration", lambda: configuration(given["configuration"]), {})
    running, counts = tried("web service", lambda: answers(Web(live)), (None, {}))
    locked_by, epoch = tried("host program", lock, (None, 0))
    survey = {
        "host": given["host"],
        "product": given["product"],
        "release": release(given["root"]),
        "running": running,
        "config_hash": fingerprint(given["paths"]),
        "os": operating_system(),
        "python": platform.python_version(),
        "services": services(given["services"]),
        "locked_by": locked_by,
        "host_epoch": epoch,
        "counts": counts,
    }
    if live:
        undeclared, intended = differences(live, given["declared"], given["chosen"])
        problems += undeclared
        survey["differences"] = intended
    return {"survey": survey, "problems": problems}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "product": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "configuration": {"type": "path", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "paths": {"type": "list", "elements": "path", "required": True},
            "declared": {"type": "dict", "required": True},
            "chosen": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, wardship=surveyed(module.params))
    except (ProblemError, OSError) as problem:
        module.fail_json(msg=str(problem))


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""What is really there of Orthanc on a host, and what of it the declaration does not know.

Changes nothing. Unknown is never a guess: what could not be read is null with a problem that says
why, and a host without a readable release is an error.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import stat
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orthanc_declared import (
    ae_table,
    callers,
    differences,
    in_force,
    not_loaded,
)
from ansible.module_utils.orthanc_host import (
    ProblemError,
    Web,
    configuration,
    run,
    unit,
)

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
  masked: {type: list, elements: str, default: [], description: [More names of secrets.]}
author: [wardship]
"""

PROGRAM = "/usr/local/lib/wardship/wardship-host"
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\\s]*-----END CERTIFICATE-----")
#: How many of Orthanc's latest changes are looked at for an object that came.
RECENT = 200
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


def received_ago(web, now):
    """Seconds since the last object came that is still there; None where Orthanc cannot say.

    The probe's own objects are gone again, and do not count. Orthanc dates its changes in UTC.
    """
    last = int(web.call("GET", "/changes?last")["Last"])
    log = web.call("GET", f"/changes?since={max(0, last - RECENT)}&limit={RECENT}")["Changes"]
    for change in reversed(log):
        if change["ChangeType"] == "NewInstance" and web.has(f"/instances/{change['ID']}"):
            return max(0.0, (now - _dated(change)).total_seconds())
    if not log:
        return now.timestamp()  # nothing ever came
    # All that was looked at is gone again: nothing came since the oldest of it, at least.
    return max(0.0, (now - _dated(log[0])).total_seconds())


def _dated(change):
    return datetime.strptime(change["Date"] + "+0000", "%Y%m%dT%H%M%S%z")


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
    known = tried("AE table", lambda: Web(live).call("GET", "/modalities?expand"), None)
    now = datetime.now(timezone.utc)
    ago = tried("what was received", lambda: received_ago(Web(live), now), None)
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
        problems += not_loaded(live, known)
        live["DicomModalities"] = in_force(live, known)
        survey["ae_table"] = ae_table(live["DicomModalities"], given["declared"]["DicomModalities"])
        survey["callers"] = callers(live)
        told = (given["declared"], given["chosen"], given["masked"])
        undeclared, intended = differences(live, *told)
        problems += undeclared
        survey["differences"] = intended
    shown = tried("certificate", lambda: certificates(live, given["declared"]), [])
    found = {"survey": survey, "problems": problems, "received_ago": ago}
    return {**found, "certificates": shown}


def certificates(live, declared):
    """The certificate that the DICOM service shows, or is to show; the file as it is."""
    if not (declared.get("DicomTlsEnabled") or live.get("DicomTlsEnabled")):
        return []
    path = declared.get("DicomTlsCertificate") or live.get("DicomTlsCertificate")
    if not path:
        raise ProblemError("DICOM TLS is on and no certificate is configured")
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    return [{"service": "dicom", "path": path, "pem": only_certificates(text)}]


def only_certificates(text):
    """A file may hold the key as well: that goes nowhere."""
    return "".join(f"{each}\n" for each in _CERTIFICATE.findall(text))


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
            "masked": {"type": "list", "elements": "str", "default": [], "no_log": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, wardship=surveyed(module.params))
    except (ProblemError, OSError) as problem:
        module.fail_json(msg=str(problem))


if __name__ == "__main__":
    main()

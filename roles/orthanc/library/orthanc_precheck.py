#!/usr/bin/python
"""Whether Orthanc on a host may be changed now: every reason against it. Changes nothing."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.orthanc_host import (
    ProblemError,
    Web,
    ask_database,
    configuration,
    run,
)

DOCUMENTATION = r"""
module: orthanc_precheck
short_description: Refuse a change of Orthanc with every reason
description: [Returns C(wardship.refusals), empty if there are none, and C(wardship.looked).]
options:
  change_dir: {type: path, required: true, description: [Directory of the change on the host.]}
  root: {type: path, required: true, description: [Where the releases lie side by side.]}
  configuration: {type: path, required: true, description: [Directory of its configuration.]}
  from_release: {type: str, required: true, description: [The release that must be current.]}
  to_release: {type: str, required: true, description: [The release that must be staged.]}
  database: {type: str, required: true, description: [PostgreSQL's unit.]}
  volume: {type: path, required: true, description: [The volume that the snapshot captures.]}
  images: {type: path, required: true, description: [The volume that the images lie on.]}
author: [wardship]
"""

SCRIPTS = ("stop", "migrate", "start", "census", "forget", "carry")
UNDER_WAY = {"Pending", "Running", "Paused", "Retry"}


def staged(given):
    """The new release, its configuration and the scripts are there."""
    change, target = Path(given["change_dir"]), Path(given["root"]) / given["to_release"]
    if not os.access(target / "bin" / "orthanc", os.X_OK):
        yield f"release {given['to_release']} is not staged in {target}"
    for name in SCRIPTS:
        if not os.access(change / "scripts" / name, os.X_OK):
            yield f"the host script {name} is not staged"
    try:
        plugins = configuration(change / "files" / "orthanc").get("Plugins", [])
    except ProblemError as problem:
        yield f"the new configuration is not staged: {problem}"
        return
    for plugin in plugins:
        name = Path(plugin).name
        if not (target / "plugins" / name).is_file():
            yield f"release {given['to_release']} has no plugin {name}"


def current(given):
    """The host still runs what the plan starts from."""
    link = Path(given["root"], "current")
    found = link.resolve().name
    if found != given["from_release"]:
        yield f"{link} leads to {found}, the change starts from {given['from_release']}"


def state_is_captured(given):
    """What Orthanc and PostgreSQL write lies where the snapshot sees it."""
    live = configuration(given["configuration"])
    data, stored = database_directory(given["database"]), Path(live["StorageDirectory"]).resolve()
    for what, real, volume in (
        ("PostgreSQL's data", data, given["volume"]),
        ("stored objects", stored, given["images"]),
    ):
        if Path(volume) not in real.parents:
            yield f"{what} are in {real}, outside the volume {volume}"
    log = (data / "pg_wal").resolve()
    if data not in log.parents:
        yield f"PostgreSQL's write-ahead log is in {log}, which would not go back with its data"
    for each in sorted((data / "pg_tblspc").iterdir()):
        yield f"PostgreSQL has a tablespace of its own, {each}: it may lie outside the volume"
    if not live.get("PostgreSQL", {}).get("EnableIndex"):
        yield "the index is not in PostgreSQL there: this role would not capture it"
    if live.get("PostgreSQL", {}).get("EnableStorage"):
        yield "the images are in PostgreSQL there: the census could not find their files"


def nothing_else_goes_back(given):
    """A restore puts the whole volume back: nobody else's data may live on it."""
    live = configuration(given["configuration"])
    known = {database_directory(given["database"]), Path(live["StorageDirectory"]).resolve()}
    for path in sorted(Path(given["volume"]).iterdir()):
        if path not in known:
            yield f"{path} is no part of Orthanc, and a restore would put it back too"
    ours = live.get("PostgreSQL", {}).get("Database", "orthanc")
    statement = "select datname from pg_database where not datistemplate order by 1"
    listed = run(["runuser", "-u", "postgres", "--", "psql", "-XAtqc", statement], cwd="/")
    for name in listed.splitlines():
        if name not in (ours, "postgres"):
            yield f"the database {name} is no part of Orthanc, and a restore would put it back too"


def database_directory(unit):
    """Where PostgreSQL keeps the cluster of a unit."""
    version, name = unit[len("postgresql@") : -len(".service")].split("-", 1)
    found = run(["pg_conftool", "-s", version, name, "show", "data_directory"])
    return Path(found.strip()).resolve()


def tls_files(given):
    """What the new configuration's DICOM TLS needs is there, belongs together, and is captured."""
    new = configuration(Path(given["change_dir"]) / "files" / "orthanc")
    if not new.get("DicomTlsEnabled"):
        return
    names = ("DicomTlsCertificate", "DicomTlsPrivateKey", "DicomTlsTrustedCertificates")
    paths = [Path(new[name]) for name in names]
    for path in paths:
        if Path(given["configuration"]) not in path.parents:
            yield f"{path} is outside {given['configuration']}: a restore would not put it back"
        try:
            run(["runuser", "-u", "orthanc", "--", "test", "-r", str(path)], cwd="/")
        except ProblemError:
            yield f"{path} is not there, or Orthanc may not read it"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # An empty password: nobody is there to be asked for one.
        context.load_cert_chain(paths[0], paths[1], password="")
        context.load_verify_locations(paths[2])
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "no PEM"
        yield f"certificate, key and authorities of DICOM TLS cannot be used together: {reason}"


def new_configuration(given):
    """The database lets the new configuration in."""
    try:
        ask_database(configuration(Path(given["change_dir"]) / "files" / "orthanc"))
    except ProblemError as problem:
        yield f"with the new configuration {problem}"


def jobs(given):
    """Export, retrieve and forwarding are through: a job in flight would be cut."""
    for job in Web(configuration(given["configuration"])).call("GET", "/jobs?expand"):
        if job["State"] in UNDER_WAY:
            yield f"Orthanc's job {job['Type']} {job['ID']} is {job['State'].lower()}"


RULES = (
    staged,
    current,
    state_is_captured,
    nothing_else_goes_back,
    tls_files,
    new_configuration,
    jobs,
)


def refusals(given):
    """Every reason; what could not be looked at is one too."""
    return [reason for rule in RULES for reason in asked(rule, given)]


def asked(rule, given):
    """A rule's reasons."""
    try:
        return list(rule(given))
    except (ProblemError, OSError, KeyError, ValueError) as error:
        return [f"{rule.__name__.replace('_', ' ')} could not be learned: {error}"]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "change_dir": {"type": "path", "required": True},
            "root": {"type": "path", "required": True},
            "configuration": {"type": "path", "required": True},
            "from_release": {"type": "str", "required": True},
            "to_release": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "volume": {"type": "path", "required": True},
            "images": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    looked = [f"orthanc/{rule.__name__}" for rule in RULES]
    found = {"refusals": refusals(module.params), "looked": looked}
    module.exit_json(changed=False, wardship=found)


if __name__ == "__main__":
    main()

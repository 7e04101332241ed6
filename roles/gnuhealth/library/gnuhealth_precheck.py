#!/usr/bin/python
"""Whether GNU Health on a host may be changed now: every reason against it. Changes nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ansible.module_utils import gnuhealth_product as product
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gnuhealth_host import ProblemError

DOCUMENTATION = r"""
module: gnuhealth_precheck
short_description: Refuse a change of GNU Health with every reason
description: [Returns C(wardship.refusals), empty if there are none, and C(wardship.looked).]
options:
  change_dir: {type: path, required: true, description: [Directory of the change on the host.]}
  names: {type: dict, required: true, description: [What is where on this host.]}
  from_release: {type: str, required: true, description: [The release that must be current.]}
  to_release: {type: str, required: true, description: [The release that must be staged.]}
author: [wardship]
"""

#: Groups of GNU Health's own that may make patients, and orders.
GROUPS = {"Health Front Desk", "Health Imaging"}
SCRIPTS = ("stop", "migrate", "start", "census", "forget", "carry", "diagnose", "accounts")
#: Series of releases → the module that gives orders' studies their numbers.
NUMBERS = {"4.4": "health_orthanc", "5.0": "health_imaging_worklist"}


def staged(given):
    """The new release, its configuration and the scripts are there."""
    change, target = Path(given["change_dir"]), Path(given["names"]["root"], given["to_release"])
    if not os.access(target / "bin" / "trytond", os.X_OK):
        yield f"release {given['to_release']} is not staged in {target}"
    for name in SCRIPTS:
        if not os.access(change / "scripts" / name, os.X_OK):
            yield f"the host script {name} is not staged"
    if not (change / "files" / "gnuhealth" / "trytond.conf").is_file():
        yield "the new configuration is not staged"


def current(given):
    """The host still runs what the plan starts from."""
    link = Path(given["names"]["root"], "current")
    found = link.resolve().name
    if found != given["from_release"]:
        yield f"{link} leads to {found}, the change starts from {given['from_release']}"


def state_is_captured(given):
    """What the product writes lies where a snapshot sees it."""
    volumes = [Path(path).resolve() for path in given["names"]["volumes"].values()]
    for path in product.writes_to(given["names"]):
        real = Path(path).resolve()
        if not any(volume in (real, *real.parents) for volume in volumes):
            yield f"{path} is outside of every volume: a restore would not put it back"
    if given["names"]["shared"]:
        yield from database_is_captured(given["names"])


def database_is_captured(names):
    """The database that is copied is the one that GNU Health uses."""
    if names["database"] not in names["databases"].values():
        yield f"the database {names['database']} is not copied: name it under databases (records)"
    used = product.psql(names, "show data_directory", database="postgres").strip()
    copied = product.directory_of(names)
    if Path(used).resolve() != Path(copied).resolve():
        port = product.address(names)["PGPORT"]
        yield f"port {port} is the cluster in {used}, {names['services'][0]} is the one in {copied}"


def nothing_else_goes_back(given):
    """A restore puts the whole volume back: nobody else's data may live on it."""
    names = given["names"]
    known = {Path(path).resolve() for path in product.writes_to(names)}
    known.add(Path(names["volumes"]["live"], product.RECORD))
    for path in sorted(Path(names["volumes"]["live"]).iterdir()):
        if path not in known:
            yield f"{path} is no part of GNU Health, and a restore would put it back too"
    if names["shared"]:  # nothing of the cluster is put back but the one database
        return
    listed = "select datname from pg_database where not datistemplate order by 1"
    for name in product.psql(names, listed).split():
        if name not in (names["database"], "postgres"):
            yield f"the database {name} is no part of GNU Health, and a restore would put it back"


def database_is_whole(given):
    """The database is of the release that the change starts from, and lets the new one in."""
    names = given["names"]
    product.require_database(names, given["from_release"])
    new = {**names, "configuration": str(Path(given["change_dir"], "files/gnuhealth/trytond.conf"))}
    product.ask_database(new)


def modules_are_known(given):
    """What is activated there is still in the new release: it could not even start otherwise."""
    there = Path(given["names"]["root"], given["to_release"], "site", "trytond")
    asked = "select name from ir_module where state = 'activated' order by 1"
    for name in product.psql(given["names"], asked).split():
        if name not in ("ir", "res") and not (there / "modules" / name / "tryton.cfg").is_file():
            yield f"the module {name} is activated, and release {given['to_release']} has none"


def images_stay_at_their_orders(given):
    """The new release knows the numbers by which GNU Health finds the images of an order."""
    names, release = given["names"], given["to_release"]
    asked = (
        "select count(*) from information_schema.columns where table_schema = 'public' "
        "and table_name = 'gnuhealth_imaging_test_request' and column_name = 'merge_id'"
    )
    if product.psql(names, asked).strip() == "0":
        return
    activated = product.psql(names, "select name from ir_module where state = 'activated'").split()
    module = NUMBERS.get(product.series_of(release))
    if module is None:
        yield f"orders have study numbers, and which module of {release} knows them is not known"
    elif module not in (*activated, *names["modules"]):
        yield (
            f"orders have study numbers, by which GNU Health finds their images, and {release} "
            f"knows these by {module} alone: declare it under gnuhealth_modules"
        )


def records_can_be_counted(given):
    """The modules are activated whose records are compared."""
    yield from product.missing_modules(given["names"])


def bridge_can_run(given):
    """What the bridge needs is there: its account, its settings, the stations' tests, a server."""
    names = given["names"]
    if not names["bridge"]:
        return
    settings = json.loads(Path(given["change_dir"], "files/bridge/settings.json").read_text())
    if not os.access(Path(given["change_dir"], "files/bridge-program/wardship-bridge"), os.X_OK):
        yield "the bridge is not staged"
    if not settings["ris"]["password"]:
        yield "gnuhealth_bridge_password is not declared under secrets: the bridge cannot log in"
    active = "select login from res_user where active"
    if settings["ris"]["user"] not in product.psql(names, active).split("\n"):
        yield f"GNU Health has no active account {settings['ris']['user']} for the bridge"
    yield from account_may_write(names, settings["ris"]["user"])
    if (told := settings["hl7"]) and told["doctor"] is not None:
        codes = product.psql(names, "select code from gnuhealth_healthprofessional").split("\n")
        if told["doctor"] not in codes:
            yield f"gnuhealth_hl7_doctor is {told['doctor']}, which the RIS does not know"
    elif told and settings["worklist"]:
        yield "gnuhealth_hl7_doctor is not declared: wardship's own order names nobody"
    if "gnuhealth-worklist.service" in names["bridge"]:
        if not os.access("/usr/bin/wlmscpfs", os.X_OK):
            yield "wlmscpfs is not there, which serves the worklist: apt install dcmtk"
        if names["bridge_ports"]["dicom"] < 1024:
            yield "the worklist's port (dicom) is below 1024, where wlmscpfs listens as root only"
        yield from stations_are_known(names, settings["worklist"]["stations"])


def account_may_write(names, login):
    """The bridge's account is in the groups that make patients and orders."""
    asked = (
        'select u.login, g.name from "res_user-res_group" x join res_user u on u.id = x."user" '
        'join res_group g on g.id = x."group"'
    )
    has = {
        group
        for name, _, group in (row.partition(",") for row in product.psql(names, asked).split("\n"))
        if name == login
    }
    for group in sorted(GROUPS - {one.strip('"') for one in has}):
        yield f"the account {login} is not in the group {group}, which the bridge needs"


def stations_are_known(names, stations):
    """Each station is told what it makes, and the RIS knows it."""
    known = product.psql(names, "select code from gnuhealth_imaging_test where active").split("\n")
    if not stations:
        yield "a worklist is declared (dicom), and no station under gnuhealth_stations"
    for ae_title, station in sorted(stations.items()):
        try:
            tests, modality = list(station["tests"]), str(station["modality"])
        except (KeyError, TypeError):
            yield f"gnuhealth_stations: {ae_title} needs modality and tests"
            continue
        if not (0 < len(ae_title) <= 16 and 0 < len(modality) <= 16):
            yield f"gnuhealth_stations: {ae_title} has more than 16 characters, or none"
        for code in tests:
            if code not in known:
                yield f"gnuhealth_stations: {ae_title} makes {code}, which the RIS does not know"


def nobody_else_is_connected(given):
    """Whoever else is connected would go on writing while the database is changed."""
    names = given["names"]
    for pid, words in product.programs_below(names["root"]):
        if not product.is_of_the_unit(names, pid):
            yield f"process {pid} runs a release beside {names['services'][-1]}: {words}"
    yield from product.strangers(names)


def nothing_is_under_way(given):
    """Nothing is cut off by a stop."""
    yield from product.under_way(given["names"])


RULES = (
    staged,
    current,
    state_is_captured,
    nothing_else_goes_back,
    database_is_whole,
    modules_are_known,
    images_stay_at_their_orders,
    records_can_be_counted,
    bridge_can_run,
    nobody_else_is_connected,
    nothing_is_under_way,
)


def asked(rule, given):
    """A rule's reasons; what could not be looked at is one too."""
    try:
        return list(rule(given) or ())
    except (ProblemError, OSError, KeyError, ValueError) as error:
        return [f"{rule.__name__.replace('_', ' ')} could not be learned: {error}"]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "change_dir": {"type": "path", "required": True},
            "names": {"type": "dict", "required": True},
            "from_release": {"type": "str", "required": True},
            "to_release": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    looked = [f"gnuhealth/{rule.__name__}" for rule in RULES]
    refusals = [reason for rule in RULES for reason in asked(rule, module.params)]
    module.exit_json(changed=False, wardship={"refusals": refusals, "looked": looked})


if __name__ == "__main__":
    main()

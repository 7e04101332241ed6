"""Faults that a release may bring to a hospital's RIS, made on a lab host.

As ``faults`` for an archive, the product has no hook for this: a drop-in that lies where neither a
change nor a restore writes acts before each start of a release that is not the one found.
"""

from __future__ import annotations

import shlex

from orchestrator.errors import LabError
from orchestrator.lab.guest import Run, put
from orchestrator.lab.ris import RELEASES
from orchestrator.lab.ris_database import DATABASE

_DROP_IN = "/usr/local/lib/systemd/system/gnuhealth.service.d/zz-lab-fault.conf"
_PROGRAM, _DONE = "/lab/ris-fault", "/lab/ris-fault.done"

#: A fault's statements in the database, where it is one of the database.
_STATEMENTS = {
    "orders-lost": (
        "delete from gnuhealth_imaging_test_request"
        " where id = (select max(id) from gnuhealth_imaging_test_request)"
    ),
    "field-lost": "update gnuhealth_patient set critical_info = null",
    "rights-lost": (
        'delete from ir_model_access where "group" ='
        " (select id from res_group where name = 'wardship verifier')"
    ),
    "bridge-refused": "update res_user set password_hash = null where login = 'bridge'",
    "demo-account": "update res_user set active = true where login = 'demo_doctor'",
}
#: Or its commands.
_COMMANDS = {
    # Another database of the same name, from before the newest orders came.
    "wrong-database": (
        f"ask postgres 'alter database {DATABASE} rename to other'\n"
        f"ask postgres 'create database {DATABASE} template other owner gnuhealth'\n"
        f"ask {DATABASE} {{orders}}"
    ),
    "old-code": f'ln -sfn "{{found}}" {RELEASES}/current',
    "worklist-dead": (
        "sed -i 's|^ExecStart=.*|ExecStart=/bin/false|'"
        " /etc/systemd/system/gnuhealth-worklist.service\n"
        "systemctl daemon-reload"
    ),
    "does-not-start": "exit 1",
}
NAMES = (*_STATEMENTS, *_COMMANDS)

_SCRIPT = """#!/bin/bash
set -eu
ask() { runuser -u postgres -- psql -Xqv ON_ERROR_STOP=1 -d "$1" -c "$2"; }
[ "$(readlink RELEASES/current)" != FOUND ] || exit 0
[ ! -e DONE ] || exit EVERY
touch DONE
ACT
"""


def break_(run: Run, fault: str) -> None:
    """Arm a host to break when another release than the one that is current now starts.

    Raises:
        LabError: there is no such fault, or the host could not be armed.
    """
    if fault not in NAMES:
        raise LabError(f"there is no fault {fault!r}", hint=f"one of: {', '.join(NAMES)}")
    found = run(["readlink", f"{RELEASES}/current"]).decode().strip()
    orders = shlex.quote(_STATEMENTS["orders-lost"])
    if fault in _STATEMENTS:
        act = f"ask {DATABASE} {shlex.quote(_STATEMENTS[fault])}"
    else:
        act = _COMMANDS[fault].format(found=found, orders=orders)
    words = {"RELEASES": RELEASES, "FOUND": found, "DONE": _DONE, "ACT": act}
    words["EVERY"] = "1" if fault == "does-not-start" else "0"
    script = _SCRIPT
    for word, meant in words.items():
        script = script.replace(word, meant)
    put(run, _PROGRAM, script.encode(), mode=0o700)
    put(run, _DROP_IN, f"[Service]\nExecStartPre=+{_PROGRAM}\n".encode())
    run(["systemctl", "daemon-reload"])


def has_happened(run: Run) -> bool:
    """Whether the armed fault was done to the host."""
    return run(["sh", "-c", f"[ ! -e {_DONE} ] || echo yes"]).strip() == b"yes"


def lift(run: Run) -> None:
    """Disarm the host. What the fault did to the database stays; a restore puts it back."""
    run(["rm", "-rf", "/lab", _DROP_IN])
    run(["systemctl", "daemon-reload"])

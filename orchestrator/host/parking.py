"""Parked intake: the spool started before the door shuts, and its items given to what stays.

The spool is a program of its own (orchestrator/spool), run as a user of its own, in a unit of its
own. Whatever it does, nothing of it decides a change. Here is when it runs, and what is made of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Optional

from . import guests, records, units
from .change import Change
from .nft import Turned
from .outcome import FailedError
from .parked_manifest import Parking
from .system import Ran, System

PROGRAM = "/usr/local/lib/wardship/wardship-spool"
USER = "wardship-spool"
#: How long the product may be asked what it takes, in seconds.
LEARNING = 120.0
#: How long the spool may take to listen, in seconds.
STARTING = 15.0
#: It keeps what patients were imaged for: it sees its directory, and no more than it must.
CAGE = (
    f"User={USER}",
    f"Group={USER}",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "LimitNOFILE=4096",
    "StartLimitIntervalSec=0",
)


def directory(change: Change) -> Optional[Path]:
    """Where the items of this change lie; None where nothing is parked."""
    parking = change.manifest.parking
    return None if parking is None else change.host.system.at(parking.directory) / change.id


def begin(change: Change) -> None:
    """Learn what the product takes, and start to listen; while its door is open, before quiesce.

    Raises:
        FailedError: it cannot be parked here; nothing was felt.
    """
    parking, place = change.manifest.parking, directory(change)
    if parking is None or place is None:
        return
    _make(change, parking, place)
    _run(change, "learn", seconds=LEARNING)
    serve(change)
    uid = _uid(change.host.system)
    record = {"ports": [list(each) for each in parking.ports], "uid": uid}
    records.write(change.host.disk, change.paths.parking, record)


def turned(change: Change) -> Optional[Turned]:
    """To where the door turns who is new; None where the spool was never ready."""
    record = records.read(change.paths.parking)
    if record is None:
        return None
    return Turned(tuple((port, to) for port, to in record["ports"]), record["uid"])


def serve(change: Change) -> None:
    """Let the spool listen; it may do so already.

    Raises:
        FailedError: it does not.
    """
    parking, place = change.manifest.parking, directory(change)
    if parking is None or place is None:
        return
    system, unit = change.host.system, _unit(change, "spool")
    if not units.look(system, unit).alive:
        more = (*CAGE, f"ReadWritePaths={place}", "Restart=always", "RestartSec=1")
        units.start(system, unit, *more, argv=[PROGRAM, "serve", str(place)])
    ports = [to for _, to in parking.ports]
    deadline = system.monotonic() + STARTING
    while not guests.listens(system, ports):
        if system.monotonic() >= deadline or not units.look(system, unit).alive:
            raise FailedError(f"the spool does not listen on {', '.join(map(str, ports))}")
        system.sleep(0.1)


def revive(change: Change) -> str:
    """Let it listen again, after a boot or a commit; what became of that, never an error."""
    if turned(change) is None:
        return ""
    try:
        serve(change)
    except FailedError as error:
        return f"nothing is parked: {error.because}"
    return "parking"


def forget_outcomes(change: Change) -> None:
    """What was given went to a release that is put aside now: the other one gets it again."""
    place = directory(change)
    if place is not None and is_delivering(change):  # a committed change that is put back
        units.kill(change.host.system, _unit(change, "deliver"))
    if place is not None and (place / "outcomes.jsonl").exists():
        count = len(list(place.glob("outcomes-*.jsonl")))
        change.host.disk.rename(place / "outcomes.jsonl", place / f"outcomes-{count + 1}.jsonl")


def give(change: Change, *, seconds: float) -> str:
    """Give the running product all that is parked; what became of it.

    Raises:
        FailedError: the product cannot be spoken to.
    """
    if turned(change) is None:
        return ""
    told = _run(change, "replay", seconds=seconds)
    told_of = {"given": "given", "set_aside_count": "set aside", "waiting": "not taken yet"}
    return ", ".join(f"{told[key]} {what}" for key, what in told_of.items())


def stop(change: Change) -> None:
    """Nobody is parked for any more.

    Raises:
        FailedError: it could not be ended.
    """
    unit = _unit(change, "spool")
    change.host.system.run(["systemctl", "stop", "--", unit], timeout=30)
    units.kill(change.host.system, unit)


def deliver(change: Change) -> None:
    """Start what gives the rest, and sends reports, until nothing is left; it may run already."""
    place = directory(change)
    if place is None or turned(change) is None:
        return
    system, unit = change.host.system, _unit(change, "deliver")
    if not units.look(system, unit).alive:
        more = (*CAGE, f"ReadWritePaths={place}", "Restart=on-failure", "RestartSec=30")
        units.start(system, unit, *more, argv=[PROGRAM, "deliver", str(place)])


def is_delivering(change: Change) -> bool:
    return units.look(change.host.system, _unit(change, "deliver")).alive


def told(change: Change) -> Dict[str, Any]:
    """What is parked and what became of it.

    Raises:
        FailedError: the spool does not say.
    """
    if turned(change) is None:
        return {"parking": False}
    return {"parking": True, **_run(change, "status", seconds=60.0)}


def problems(change: Change, others: List[Change]) -> List[str]:
    """Why nothing can be parked here, and what an older change has still to give."""
    system, found = change.host.system, []
    for other in others:
        if turned(other) is not None and is_delivering(other):
            left = told(other)["waiting"]
            if left:
                found.append(f"{left} parked items of {other.id} are not given to the product yet")
            else:
                units.kill(system, _unit(other, "deliver"))  # reports only; it goes on later
    if change.manifest.parking is None:
        return found
    if not system.at(PROGRAM).exists():
        found.append(f"{PROGRAM} is not there to park what comes meanwhile")
    if system.run(["id", "-u", USER]).code != 0:
        found.append(f"there is no user {USER} to park what comes meanwhile")
    return found


def _make(change: Change, parking: Parking, place: Path) -> None:
    """The directory, with its settings; the product's identity only for its own user."""
    system = change.host.system
    owned = ["install", "-o", USER, "-g", USER]
    _must(system, [*owned, "-m", "0700", "-d", str(place.parent), str(place)])
    dicom = dict(parking.dicom)
    if dicom["tls"] is not None:
        identity = place / "tls"
        _must(system, [*owned, "-m", "0700", "-d", str(identity)])
        for name, path in dicom["tls"].items():
            _must(system, [*owned, "-m", "0400", path, str(identity / name)])
        dicom["tls"] = {name: str(identity / name) for name in dicom["tls"]}
    settings = {"quota": parking.quota, "dicom": dicom, "mllp": list(parking.mllp)}
    change.host.disk.write(place / "settings.json", json.dumps(settings).encode(), mode=0o644)


def _must(system: System, argv: List[str]) -> None:
    ran = system.run(argv)
    if ran.code != 0:
        raise FailedError(f"parking: {ran.reason}")


def _run(change: Change, verb: str, *, seconds: float) -> Dict[str, Any]:
    argv = ["runuser", "-u", USER, "--", PROGRAM, verb, str(directory(change))]
    return _object(verb, change.host.system.run(argv, timeout=seconds))


def _object(verb: str, ran: Ran) -> Dict[str, Any]:
    try:
        found = json.loads(ran.out)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FailedError(f"wardship-spool {verb}: {ran.reason}")
    if ran.code != 0:
        raise FailedError(f"wardship-spool {verb}: {found.get('because', ran.reason)}")
    return found


def _uid(system: System) -> int:
    ran = system.run(["id", "-u", USER])
    if ran.code != 0 or not ran.out.strip().isdigit():
        raise FailedError(f"there is no user {USER}")
    return int(ran.out)


def _unit(change: Change, name: str) -> str:
    return units.name(change.id, name)

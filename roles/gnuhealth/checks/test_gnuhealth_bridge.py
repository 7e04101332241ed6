"""The bridge beside GNU Health: an order in over HL7, in the RIS, on the worklist of its station.

The order is wardship's own, the same every time: the first makes it, the others find it as it is.
Where a change brings the bridge, there is nothing to ask of it before.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass

import pytest

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import Site
from orchestrator.wire.tryton import TrytonClient

PROGRAM, SETTINGS = "/opt/gnuhealth-bridge/wardship-bridge", "/etc/gnuhealth-bridge/settings.json"
#: Run on the host: what is declared for it, and what is installed; no secret.
ASK = """
import json, sys
from pathlib import Path
names = json.loads(Path(sys.argv[1], "settings.json").read_text())
file = Path(sys.argv[2])
there = json.loads(file.read_text()) if file.exists() else {}
worklist = there.get("worklist") or {}
print(json.dumps({
    "database": names["database"],
    "wanted": names["bridge"],
    "hl7": bool(there.get("hl7")),
    "worklist": bool(worklist),
    "stations": sorted(worklist.get("stations", {})),
    "seconds": worklist.get("every_seconds", 0),
    "list": "{}/{}".format(worklist.get("directory"), worklist.get("ae_title")),
}))
"""
#: Run on the host: how long ago the worklist was exported, in seconds.
AGE = """
import sys, time
from pathlib import Path
lock = Path(sys.argv[1], "lockfile")
print(time.time() - lock.stat().st_mtime if lock.exists() else 1e9)
"""
SCRIPTS = "/var/lib/wardship/changes/{}/scripts"
ORDER, STATION = "WARDSHIP-1", "WARDSHIP"
PATIENT = "WARDSHIP-PROBE"
ORDERS, PATIENTS = "gnuhealth.imaging.test.request", "gnuhealth.patient"


@dataclass(frozen=True)
class Bridge:
    """What the host has of it."""

    database: str
    wanted: list[str]
    hl7: bool
    worklist: bool
    stations: list[str]
    seconds: float
    list: str


@pytest.fixture
def bridge(site: Site, request_: CheckRequest, record: Record) -> Bridge:
    """What is installed; after apply that must be what is declared."""
    record.service_only()
    words = ["python3", "-IBc", ASK, SCRIPTS.format(request_.change_set), SETTINGS]
    found = Bridge(**site.once("bridge", lambda: json.loads(site.host.run(*words))))
    if request_.moment == "applied" and found.wanted:
        assert found.hl7 or found.worklist, "the bridge is declared and not installed"
    return found


def test_gnuhealth_bridge(
    bridge: Bridge, site: Site, request_: CheckRequest, record: Record
) -> None:
    """An order that the hospital's system sends over HL7 is in the RIS when it is acknowledged."""
    if not bridge.hl7:
        record.say(_absent(bridge, request_))
        return
    answer = _sent(site)
    assert answer["code"] == "AA", f"the bridge answers {answer['code']}: {answer['because']}"
    with TrytonClient(site.web_target.url, database=bridge.database) as ris:
        ris.log_in(site.web_target.user or "", _password(site))
        people = ris.search(PATIENTS, ["puid"], domain=[["puid", "=", PATIENT]])
        found = ris.search(ORDERS, ["request", "state"], domain=[["request", "=", ORDER]])
    assert len(people) == 1, f"{len(people)} patients {PATIENT} are in the RIS"
    if not bridge.stations:  # no imaging test is declared that could be ordered
        record.say("a patient over HL7 was acknowledged and is in the RIS")
        return
    assert len(found) == 1, f"{len(found)} orders {ORDER} are in the RIS"
    assert found[0]["state"] == "requested", f"{ORDER} is {found[0]['state']} in the RIS"
    record.say("an order over HL7 was acknowledged and is in the RIS")


def test_gnuhealth_worklist(
    bridge: Bridge, site: Site, request_: CheckRequest, record: Record
) -> None:
    """An order is on the worklist of the station that makes it, and on no other's."""
    if not bridge.worklist:
        record.say(_absent(bridge, request_))
        return
    if bridge.hl7:
        _sent(site)
    _wait_for_export(site, bridge)
    found = _listed(site, STATION)
    if bridge.hl7 and bridge.stations:
        assert found == [ORDER], f"the worklist of {STATION} has {found or 'nothing'}, not {ORDER}"
    counts = []
    for station in bridge.stations:
        others = _listed(site, station)
        assert ORDER not in others, f"{ORDER} is on the worklist of {station} too"
        counts.append(f"{station} {len(others)}")
    record.show(*counts)
    record.say(f"each station has its own: {', '.join(counts)}")


def _wait_for_export(site: Site, bridge: Bridge) -> None:
    """Until it was exported since now: an old list would be answered from, too."""
    began = time.monotonic()
    patience = 3 * bridge.seconds + 10
    words = ["python3", "-IBc", AGE, bridge.list]
    while (age := float(site.host.run(*words))) > time.monotonic() - began:
        assert time.monotonic() - began < patience, f"the worklist was exported {age:.0f} s ago"
        time.sleep(0.3)


def _sent(site: Site) -> dict[str, str]:
    """The answer to wardship's own order, sent once."""
    words = [PROGRAM, "probe", SETTINGS]
    found: dict[str, str] = site.once("bridge-probe", lambda: json.loads(site.host.run(*words)))
    return found


def _listed(site: Site, station: str) -> list[str]:
    """The accession numbers on a station's worklist."""
    asked = {"ScheduledStationAETitle": station}
    found = site.dicom.worklist({"AccessionNumber": "", "PatientID": ""}, asked)
    wrong = [
        one for one in found
        if one.ScheduledProcedureStepSequence[0].ScheduledStationAETitle != station
    ]  # fmt: skip
    assert not wrong, f"{len(wrong)} entries of other stations are on the worklist of {station}"
    return sorted(str(one.AccessionNumber) for one in found)


def _absent(bridge: Bridge, request_: CheckRequest) -> str:
    if bridge.wanted and request_.moment == "baseline":
        return "there is none yet: this change brings it"
    return "there was none, and there is none" if bridge.wanted else "none is declared"


def _password(site: Site) -> str:
    name = site.web_target.password_env
    password = os.environ.get(name) if name else None
    if not password:
        raise Unknown("no account is declared for the verifier under web")
    return password

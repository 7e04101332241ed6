"""Parking as it is declared, planned and reported: what is refused, and what a person is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.fleet.load import check
from orchestrator.plan.make import make_plan
from orchestrator.plan.model import HostChange
from orchestrator.plan.parking import GIVING, listed, told
from orchestrator.report.parked import Parked, read, remarks
from tests.builders import (
    CATALOG,
    FLEET,
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    facility_yaml,
    write_fleet,
    write_roles,
)

A = "facilities/hospital-a.yml"
OVER_TLS = ", tls: {ca: fleet.yml, certificate: fleet.yml, callers: any}"
PARKING = FLEET + "parking: {quota_mib: 512}\n"


def hospital(*, host: str = "", modality: str = "", dicom: str = "") -> str:
    """Hospital A with more of its host, its modality and its DICOM service declared."""
    text = facility_yaml("a", number=11)
    text = text.replace("port: 104}", f"port: 104{modality}}}")
    text = text.replace("port: 4242}", f"port: 4242{dicom}}}")
    return text.replace("    secrets:", f"{host}    secrets:")


def problems(tmp_path: Path, changes: dict[str, str]) -> str:
    """Everything wrong with a fleet, a line each."""
    directory = write_fleet(tmp_path / "fleet", changes)
    try:
        check(directory, vault_names=lambda *_: None, roles=write_roles(tmp_path / "roles"))
    except FleetError as error:
        return "\n".join(error.problems)
    return ""


def change(tmp_path: Path, changes: dict[str, str]) -> HostChange:
    """What is planned for the PACS of hospital A."""
    plan = make_plan(
        a_fleet(tmp_path, changes),
        {"hospital-a": a_facility_survey(a_host_survey())},
        now=NOW,
        depot={"orthanc-1.12.7.tar.gz": "good"},
    )
    return next(host for one in plan.change_sets for host in one.hosts if host.host == "pacs-a")


@pytest.mark.parametrize(
    ("host", "dicom", "expected"),
    [
        ("    parking: {directory: /data/live/spool}\n", "", "(volume live) lie in one another"),
        ("    parking: {directory: /data}\n", "", "(volume live) lie in one another"),
        ("    parking: {directory: /etc/orthanc/spool}\n", "", "(what a restore puts back)"),
        ("    parking: {directory: /var/lib/wardship/spool}\n", "", "(wardship's own state)"),
        ("    parking: {port: 8042}\n", "", "port 8042 is web's and parking's"),
        ("    hl7: {port: 11043}\n    parking: {}\n", "", "is hl7's and parking for HL7's"),
        ("    parking: {quota_mib: 1}\n", "", "quota_mib"),
        (
            "    parking: {}\n",
            OVER_TLS,
            "expected parking.tls",
        ),
        (
            "    parking: {tls: {certificate: /a.pem, key: /b.pem, ca: /c.pem}}\n",
            "",
            "expected no parking.tls",
        ),
    ],
)
def test_parking_that_cannot_be_is_a_problem(
    tmp_path: Path, host: str, dicom: str, expected: str
) -> None:
    assert expected in problems(tmp_path, {A: hospital(host=host, dicom=dicom)})


def test_parking_of_the_fleet_is_each_hosts_that_does_not_say_no(tmp_path: Path) -> None:
    assert problems(tmp_path / "1", {"fleet.yml": PARKING}) == ""
    planned = change(tmp_path / "2", {"fleet.yml": PARKING})
    assert planned.parking is not None
    assert planned.parking.quota_mib == 512
    no = change(tmp_path / "3", {"fleet.yml": PARKING, A: hospital(host="    parking: false\n")})
    assert no.parking is None
    assert planned.limits.open == no.limits.open + GIVING


def test_what_the_spool_is_told_is_what_is_declared(tmp_path: Path) -> None:
    catalog = CATALOG.replace(
        'upgrades_from: ["1.10.1"]', 'upgrades_from: ["1.10.1"]\n        refuses: ["1.2.3"]'
    )
    text = hospital(host="    hl7: {port: 2575}\n    parking: {port: 12000}\n")
    parking = change(tmp_path, {"catalog.yml": catalog, A: text}).parking
    assert parking is not None
    dicom = parking.dicom
    assert (dicom.ae_title, dicom.port, dicom.spool_port) == ("HOSPITALA", 4242, 12000)
    assert [one.ae_title for one in dicom.modalities] == ["CT1"]
    assert dicom.refuses == ("1.2.3",)
    assert [(one.port, one.spool_port) for one in parking.mllp] == [(2575, 12001)]


def test_the_plan_says_who_must_send_again_by_hand(tmp_path: Path) -> None:
    for number, (modality, by_hand, unsaid) in enumerate(
        [(", retry: manual", ("CT1",), ()), (", retry: auto", (), ()), ("", (), ("CT1",))]
    ):
        planned = change(tmp_path / str(number), {A: hospital(modality=modality)})
        assert (planned.by_hand, planned.unsaid) == (by_hand, unsaid)
        assert ("sent again by hand at CT1" in told(None, planned.by_hand, ())) == bool(by_hand)
    assert told(None, (), ()) == "what modalities send is refused"


def test_a_long_list_is_cut_and_counted() -> None:
    assert listed(tuple("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"
    assert listed(("a",)) == "a"


def spoke(**more: object) -> Parked:
    """What a host says at the end."""
    found = read(json.dumps({"parking": True, "parked": {"object": 3}, **more}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"waiting": 2}, "2 parked items are not given to orthanc yet"),
        (
            {"set_aside_count": 1, "set_aside": [
                {"number": 1, "kind": "object", "source": "CT1", "because": "2.25.1: 0xa900"}]},
            "does not take 1 parked items, kept in /var/lib/wardship-spool; the first: 2.25.1",
        ),
        ({"unproved": ["2.25.1"]}, "1 parked images are not proved"),
        ({"not_let_in": ["CT1"]}, "orthanc did not let CT1 in before the change"),
        ({"refused_count": 4, "refused_by": {"CT1": 4}}, "must by hand: CT1 (4)"),
    ],
)  # fmt: skip
def test_what_a_person_has_to_know_is_said(
    tmp_path: Path, more: dict[str, object], expected: str
) -> None:
    host = change(tmp_path, {"fleet.yml": PARKING, A: hospital(modality=", retry: manual")})
    (line,) = remarks({"pacs-a": (host, spoke(**more))})
    assert expected in line
    assert remarks({"pacs-a": (host, spoke())}) == ()


def test_who_sends_again_by_itself_is_nobodys_work(tmp_path: Path) -> None:
    host = change(tmp_path, {"fleet.yml": PARKING, A: hospital(modality=", retry: auto")})
    assert remarks({"pacs-a": (host, spoke(refused_by={"CT1": 4}))}) == ()


@pytest.mark.parametrize("body", ["no json", "[]", '{"parking": true, "waiting": "many"}'])
def test_a_word_that_cannot_be_read_is_an_error(body: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        read(body)


def test_no_parking_is_no_word() -> None:
    assert read(None) is None
    assert read('{"parking": false}') is None

"""Who may call an archive, and with which certificate: what is not as declared refuses the plan.

The plan names it, and on the host nothing becomes another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
import yaml

from orchestrator.lab.guest import wait_until
from orchestrator.lab.provision import OTHERS, TLS
from tests.lab.pacs import Pacs

SETTINGS = "/etc/orthanc/orthanc.json"


@pytest.fixture(scope="module")
def archive(hospital: Pacs) -> Iterator[Pacs]:
    """As found, for all tests here: each undoes what it did, and none changes a release."""
    hospital.reset()
    yield hospital
    hospital.is_as_found = False


def refused(pacs: Pacs) -> str:
    """What a plan says that is refused, with nothing changed on the host by planning it."""
    before = settings_hash(pacs)
    done = pacs.wardship("plan")
    assert done.returncode == 30, done.stdout + done.stderr
    assert settings_hash(pacs) == before
    return " ".join(done.stdout.split())


def settings_hash(pacs: Pacs) -> str:
    content = pacs.run(["sh", "-c", "find /etc/orthanc -type f | sort | xargs cat"])
    return hashlib.sha256(content).hexdigest()


def edit(pacs: Pacs, **changed: object) -> bytes:
    """Change Orthanc's own configuration, without a restart; gives what it was."""
    before = pacs.run(["cat", SETTINGS])
    settings = json.loads(before) | changed
    pacs.run(["tee", SETTINGS], input=json.dumps(settings).encode())
    return before


def restart(pacs: Pacs) -> None:
    pacs.run(["systemctl", "restart", "orthanc.service"])
    wait_until(lambda: bool(pacs.release()), what="the archive answers again", seconds=60.0)


def test_the_survey_shows_the_callers_and_the_certificate(archive: Pacs) -> None:
    done = archive.wardship("survey", archive.facility)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AE table: WARDSHIP, MR1 · all as declared" in done.stdout
    assert "any other AE may echo, store, find, get, move" in done.stdout
    assert "certificate of pacs.hospital-b.invalid until" in done.stdout
    (host,) = json.loads(archive.wardship("survey", "--json", archive.facility).stdout)[
        archive.facility
    ]["hosts"]
    assert {(one["ae_title"], one["tls"], one["declared"]) for one in host["ae_table"]} == {
        ("MR1", True, True),
        ("WARDSHIP", False, True),
    }


def test_an_ae_that_was_added_while_it_ran_refuses(archive: Pacs) -> None:
    rest = archive.demo.rest(archive.host)
    rest.post("/modalities/stranger", b'["OLDCT", "10.77.0.8", 104]', method="PUT")
    try:
        assert "AE OLDCT (10.77.0.8:104) is configured there and not declared" in refused(archive)
    finally:
        rest.post("/modalities/stranger", b"", method="DELETE")


def test_an_ae_table_in_the_database_is_the_one_that_counts(archive: Pacs) -> None:
    before = edit(archive, DicomModalitiesInDatabase=True)
    restart(archive)
    rest = archive.demo.rest(archive.host)
    rest.post("/modalities/stranger", b'["OLDCT", "10.77.0.8", 104]', method="PUT")
    try:
        told = refused(archive)
        assert "AE OLDCT (10.77.0.8:104) is configured there and not declared" in told
        assert "AE MR1 (10.77.0.9:11105) is declared and not configured there" in told
        assert "the probe's AE WARDSHIP (127.0.0.1:11112) is not configured there" in told
    finally:
        rest.post("/modalities/stranger", b"", method="DELETE")
        archive.run(["tee", SETTINGS], input=before)
        restart(archive)


def test_what_the_files_have_of_callers_is_compared_whole(archive: Pacs) -> None:
    modalities = {
        "WARDSHIP": ["WARDSHIP", "127.0.0.1", 11112],
        "MR1": {
            "AET": "MR1", "Host": "10.77.0.7", "Port": 11105, "UseDicomTls": True,
            "AllowStore": False,
        },
        "new": ["NEWCT", "10.77.0.8", 104],
    }  # fmt: skip
    before = edit(archive, DicomModalities=modalities, DicomAlwaysAllowStore=False)
    restart(archive)
    try:
        told = refused(archive)
        assert "AE MR1 is 10.77.0.7:11105 there, declared is 10.77.0.9:11105" in told
        assert "AE MR1 has AllowStore False there" in told
        assert "AE NEWCT (10.77.0.8:104) is configured there and not declared" in told
        assert "the setting DicomAlwaysAllowStore is false there, declared is true" in told
    finally:
        archive.run(["tee", SETTINGS], input=before)
        restart(archive)


def test_a_certificate_that_ends_too_soon_refuses_where_that_is_declared(archive: Pacs) -> None:
    file = archive.fleet / "fleet.yml"
    before = file.read_text()
    declared = yaml.safe_load(before) | {"gates": {"certificate_days": 1000}}
    file.write_text(yaml.safe_dump(declared))
    try:
        told = refused(archive)
        assert f"the archive's certificate ({TLS}/certificate.pem on pacs-b) expires on" in told
        assert "the verifier's certificate (tls/pacs-b-wardship.pem) expires on" in told
    finally:
        file.write_text(before)


def test_a_certificate_that_has_expired_refuses_always(archive: Pacs) -> None:
    before = archive.run(["cat", f"{TLS}/certificate.pem"])
    archive.run(["cp", f"{OTHERS}/expired.pem", f"{TLS}/certificate.pem"])
    try:
        told = refused(archive)
        assert "expired on" in told
        assert "is another certificate than tls/pacs-b.pem" in told
    finally:
        archive.run(["tee", f"{TLS}/certificate.pem"], input=before)

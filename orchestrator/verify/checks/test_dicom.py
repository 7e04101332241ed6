"""The product's DICOM service: its name, and the way of a new study in, out and away again."""

from __future__ import annotations

import contextlib

import pytest

from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.probe import (
    PATIENT_PREFIX,
    SECONDARY_CAPTURE,
    Probe,
    is_ours,
    make_probe,
)
from orchestrator.verify.site import Site
from orchestrator.wire.dicom import EXPLICIT, DicomClient
from orchestrator.wire.errors import Rejected
from orchestrator.wire.objects import Fingerprint, StoredObject
from orchestrator.wire.receiver import Receiver

WRONG_NAME = "WARDSHIP-WRONG"
#: Seconds that objects may come after a C-MOVE's final answer.
LATE = 5.0


def test_dicom_echo(dicom: DicomClient, record: Record) -> None:
    dicom.echo()
    record.show(f"C-ECHO answered by {dicom.peer}")


def test_dicom_wrong_ae(site: Site, dicom: DicomClient, record: Record) -> None:
    """Refused under another name, and accepted under its own: or it refuses everybody."""
    dicom.close()
    with site.dicom_as(WRONG_NAME) as wrong:
        try:
            wrong.echo()
        except Rejected as refused:
            record.show(refused.what)
        else:
            pytest.fail(f"it answers to {WRONG_NAME}, which is not its name")
    dicom.echo()


def test_dicom_round_trip(site: Site, record: Record) -> None:
    for study in left_behind(site):
        remove(site, study)
        record.show("removed the study of an earlier probe that was cut off")
    probe = make_probe()
    try:
        there_and_back(site, probe, record)
    except BaseException:
        with contextlib.suppress(Exception):  # the first cause is the one to tell
            remove(site, probe.study)
        raise
    remove(site, probe.study)
    left = left_behind(site)
    assert not left, f"{len(left)} studies of the probe are still found after their removal"
    record.show("removed, and not found any more")


def there_and_back(site: Site, probe: Probe, record: Record) -> None:
    """C-STORE, C-FIND, C-GET, C-MOVE: what comes back is what went in."""
    sent = {stored.sop_instance: stored.fingerprint() for stored in probe.objects}
    site.dicom.store(probe.objects)
    keys = {"StudyInstanceUID": probe.study}
    found = site.dicom.find("STUDY", {**keys, "PatientID": "", "NumberOfStudyRelatedInstances": ""})
    counts = [int(match.get("NumberOfStudyRelatedInstances") or 0) for match in found]
    assert counts == [len(sent)], f"C-FIND of a study of {len(sent)} objects gives {counts}"
    moved = fingerprints(by_move(site, probe))
    got = fingerprints(site.dicom.get("STUDY", keys, classes=[SECONDARY_CAPTURE]).objects)
    for way, came in (("C-MOVE", moved), ("C-GET", got)):
        assert came.keys() == sent.keys(), f"{way} brought other objects than were sent"
        for uid, print_ in sent.items():
            assert came[uid].pixels == print_.pixels, f"{way} brought {uid} with other pixels"
            assert came[uid].header == print_.header, f"{way} brought {uid} with another header"
        record.show(f"{len(came)} objects back by {way}: pixel and header hashes equal")


def by_move(site: Site, probe: Probe) -> tuple[StoredObject, ...]:
    """What a C-MOVE to ourselves delivers, with C-MOVE's own word on how much that is."""
    target = site.dicom_target
    receiver = Receiver(
        target.receive_port,
        ae_title=target.calling,
        sop_classes=[SECONDARY_CAPTURE],
        syntaxes=[EXPLICIT],
    )
    with receiver as inbox:
        said = site.dicom.move(
            "STUDY", {"StudyInstanceUID": probe.study}, destination=target.calling
        )
        assert said == len(probe.objects), f"C-MOVE says it sent {said} of {len(probe.objects)}"
        return inbox.take(said, timeout=LATE)


def fingerprints(objects: tuple[StoredObject, ...]) -> dict[str, Fingerprint]:
    """By instance UID; an object that came twice is there once."""
    return {stored.sop_instance: stored.fingerprint() for stored in objects}


def left_behind(site: Site) -> list[str]:
    """Studies of probes that are in the archive, known by patient id and UID both."""
    keys = {"StudyInstanceUID": "", "PatientID": f"{PATIENT_PREFIX}*"}
    found = site.dicom.find("STUDY", keys)
    return [
        str(match.StudyInstanceUID)
        for match in found
        if is_ours(str(match.StudyInstanceUID), str(match.get("PatientID", "")))
    ]


def remove(site: Site, study: str) -> None:
    """Have the host remove a study of the probe.

    Raises:
        pytest.fail.Exception: it could be asked, and did not.
    """
    try:
        site.host.program("forget", study=study)
    except Unknown as problem:
        if site.host.answers():
            pytest.fail(f"the probe's study could not be removed: {problem}")
        raise

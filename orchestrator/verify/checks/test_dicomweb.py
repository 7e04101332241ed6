"""The product's DICOMweb service says and gives what its DICOM service does."""

from __future__ import annotations

import contextlib

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.probe import PROBE_ROOT
from orchestrator.verify.sample import Look, retrieved
from orchestrator.verify.site import Site
from orchestrator.wire.dicomweb import WebClient
from orchestrator.wire.errors import WireError

#: Objects that are fetched in both ways.
FETCHED = 5


def test_dicomweb_qido(request_: CheckRequest, site: Site, web: WebClient, record: Record) -> None:
    with contextlib.suppress(WireError):
        site.found()  # before the web service is asked: the clinic works on while we look
    answered = {u: n for u, n in web.studies().items() if not u.startswith(f"{PROBE_ROOT}.")}
    record.show(f"QIDO-RS: {len(answered)} studies, {sum(answered.values())} objects")
    try:
        lower = upper = site.found()
    except WireError as error:
        raise Unknown(f"nothing to compare with: {error}") from None
    record.show(f"C-FIND: {len(lower)} studies, {sum(lower.values())} objects")
    if request_.moment != "applied" and answered != lower:
        upper = site.found(again=True)
    wrong = [
        study
        for study in sorted(answered.keys() | lower.keys() | upper.keys())
        if not within(answered.get(study, 0), lower.get(study, 0), upper.get(study, 0))
    ]
    assert not wrong, f"QIDO-RS and C-FIND differ in {len(wrong)} studies, e.g. {wrong[0]}"
    if not answered:
        expected = len(site.census_reference().studies)
        assert not expected, f"QIDO-RS gives no study, {expected} are in the census"
        record.say("the archive is empty, and was before")


def test_dicomweb_wado(site: Site, web: WebClient, record: Record) -> None:
    try:
        looks = retrieved(site)
    except WireError as error:
        raise Unknown(f"nothing to compare with: {error}") from None
    if not looks:
        assert web.studies() == {}, "nothing was drawn from an archive that holds studies"
        record.say("the archive is empty: there is nothing to fetch")
    chosen = list({look.where: look for look in looks}.values())[:FETCHED]
    for look in chosen:
        assert same(web, look), f"WADO-RS brings {look.where.instance} other than C-GET does"
    record.show(f"{len(chosen)} objects: WADO-RS and C-GET give equal pixel and header hashes")


def same(web: WebClient, look: Look) -> bool:
    """Equal, in the same transfer syntax: a transcoded object has other bytes."""
    fetched = web.instance(look.where)
    if fetched.transfer_syntax != look.stored.transfer_syntax:
        fetched = web.instance(look.where, syntax=look.stored.transfer_syntax)
    return fetched.fingerprint() == look.stored.fingerprint()


def within(value: int, one: int, other: int) -> bool:
    """Between two looks, in whatever order."""
    return min(one, other) <= value <= max(one, other)

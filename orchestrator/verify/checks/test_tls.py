"""Nobody but the declared archive is believed, and nothing travels in the clear."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.outcome import Unknown
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import PATIENCE, Site
from orchestrator.wire.certificates import Certificate, read_certificates, read_der
from orchestrator.wire.errors import Cut, NotSecure, Rejected
from orchestrator.wire.tls import is_refusal, meaning, presented

#: What BCP 195 forbids (RFC 8996), by the name that OpenSSL gives it.
BROKEN = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}


def test_tls_certificate(site: Site, record: Record) -> None:
    """The one that is declared, and in force now."""
    target = site.dicom_target
    try:
        version, shown = presented(
            target.address, target.port, timeout=PATIENCE, tls=site.tls_declared
        )
    except OSError as error:
        raise meaning(site.dicom.peer, error) from None
    declared, found = read_certificates(site.tls_target.certificate)[0], read_der(shown)
    record.show(f"{version}, certificate {in_words(found)}")
    now = datetime.now(UTC)
    assert found.not_before <= now <= found.not_after, (
        f"its certificate is not in force now: {in_words(found)}"
    )
    assert found.fingerprint == declared.fingerprint, (
        f"it shows another certificate ({in_words(found)}) than the declared ({in_words(declared)})"
    )
    speaks_dicom(site)
    record.say(f"the declared certificate, in force until {found.not_after:%Y-%m-%d}")


def speaks_dicom(site: Site) -> None:
    """It answers over TLS; whom it lets in by which title is ``dicom-echo``'s to see."""
    with suppress(Rejected):
        site.dicom.echo()


def in_words(found: Certificate) -> str:
    """Whose it is, and when it is in force."""
    days = f"{found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC"
    return f"of {', '.join(found.names) or 'no name'}, {days}, {found.fingerprint[:12]}"


def test_tls_only(site: Site, record: Record) -> None:
    """Refused in the clear, and answered over TLS: or it is merely away."""
    with site.dicom_in_the_clear() as plain:
        try:
            plain.echo()
        except NotSecure as refused:
            record.show(refused.what)
        except Cut as cut:
            record.show(cut.what)
        else:
            pytest.fail("it answers in the clear, where only TLS is declared")
    speaks_dicom(site)


def test_tls_version(request_: CheckRequest, site: Site, record: Record) -> None:
    """Refuses what BCP 195 forbids; a release that was found without is not held to it."""
    taken = [name for name, version in BROKEN.items() if accepts(site, version)]
    speaks_dicom(site)
    record.measure(broken=list(taken))
    if not taken:
        record.say("TLS 1.0 and TLS 1.1 are refused")
        return
    told = f"{' and '.join(taken)} accepted: a caller can be talked down to a broken version"
    assert request_.moment != "applied", told
    if request_.moment == "restored":
        before = site.baseline("tls-version").measures["broken"]
        assert isinstance(before, list)
        assert set(taken) <= set(before), f"{told}, which was not so before"
    record.say(f"warning: {told}; it was found so")


def accepts(site: Site, version: ssl.TLSVersion) -> bool:
    """Whether a handshake in this version alone comes about.

    Raises:
        Unknown: it was neither taken nor refused: nobody answers, or we cannot offer it ourselves.
    """
    target = site.dicom_target
    try:
        presented(
            target.address, target.port, timeout=PATIENCE, tls=site.tls_declared, only=version
        )
    except (OSError, ValueError) as error:
        if is_refusal(error):
            return False
        raise Unknown(f"whether {version.name} is refused is not known: {error}") from None
    return True

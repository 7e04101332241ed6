"""What a certificate says: whose it is, from when until when. Believes nothing of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from orchestrator.wire.errors import Garbled


@dataclass(frozen=True)
class Certificate:
    """Times are UTC. ``names``: DNS names and addresses; ``fingerprint``: SHA-256 of its DER."""

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str


def read_certificates(pem: str) -> tuple[Certificate, ...]:
    """Every certificate of a PEM text, in its order: a chain begins with the one it is about.

    Raises:
        Garbled: there is none in it, or one cannot be read. Nothing of the text is repeated.
    """
    try:
        return tuple(_read(each) for each in x509.load_pem_x509_certificates(pem.encode()))
    except (ValueError, TypeError) as error:
        raise Garbled(f"no certificate that can be read ({type(error).__name__})") from None


def read_der(der: bytes) -> Certificate:
    """The certificate that a peer shows.

    Raises:
        Garbled: it cannot be read.
    """
    try:
        return _read(x509.load_der_x509_certificate(der))
    except (ValueError, TypeError) as error:
        raise Garbled(f"no certificate that can be read ({type(error).__name__})") from None


def _read(found: x509.Certificate) -> Certificate:
    return Certificate(
        names=_names(found),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        fingerprint=hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest(),
    )


def _names(found: x509.Certificate) -> tuple[str, ...]:
    try:
        listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    names = listed.get_values_for_type(x509.DNSName)
    return (*names, *map(str, listed.get_values_for_type(x509.IPAddress)))

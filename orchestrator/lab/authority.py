"""The lab's own certificate authority: what a hospital's DICOM TLS is made of, and what is wrong.

Keys are made here and written 0600 where they are asked for. Nobody else trusts this authority.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_ENCODING = serialization.Encoding.PEM
_DAY = timedelta(days=1)
#: How long the lab's own certificates hold, in days: below what browsers and BCP 195 frown at.
VALID_DAYS = 398


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, PEM."""

    certificate: str
    key: str = field(repr=False)


class Authority:
    """Issues certificates. Another one made under the same name is not the same authority."""

    def __init__(self, name: str = "Lab authority") -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = _named(name)
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + 10 * 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    @property
    def certificate(self) -> str:
        """Its own certificate, PEM: what others are to trust."""
        return self._certificate.public_bytes(_ENCODING).decode()

    def issue(
        self, name: str, *, days: float = VALID_DAYS, since: datetime | None = None
    ) -> Identity:
        """A certificate for a host name; ``days`` from now, below 0 for one that has expired."""
        now = datetime.now(UTC)
        key = rsa.generate_private_key(65537, 2048)
        until = now + days * _DAY
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since or min(now, until) - _DAY)
            .not_valid_after(until)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            _ENCODING, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Identity(certificate.public_bytes(_ENCODING).decode(), private.decode())


@dataclass(frozen=True)
class Secured:
    """What a hospital whose archive speaks DICOM TLS has.

    ``stranger`` is a certificate that the same authority issued to another name, ``expired`` one
    that is over: what a bad release may come to show.
    """

    name: str
    ca: str
    archive: Identity
    modality: Identity
    probe: Identity
    stranger: Identity
    expired: Identity


def secured(directory: Path, name: str) -> Secured:
    """A hospital's certificates, made once and kept in ``directory`` (0700, files 0600)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = directory / "certificates.json"
    if not kept.exists():
        authority = Authority()
        issued = {
            "archive": authority.issue(name),
            "modality": authority.issue(f"modality.{name}"),
            "probe": authority.issue("wardship.invalid"),
            "stranger": authority.issue(f"another.{name}"),
            "expired": authority.issue(name, days=-1),
        }
        known = {each: [one.certificate, one.key] for each, one in issued.items()}
        partial = kept.with_name(f".{kept.name}.partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"ca": authority.certificate, **known}), encoding="utf-8")
        partial.replace(kept)
    found = json.loads(kept.read_text(encoding="utf-8"))
    ca = found.pop("ca")
    return Secured(name=name, ca=ca, **{each: Identity(*one) for each, one in found.items()})


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

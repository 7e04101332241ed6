"""DICOM over TLS as a host declares it (PS3.15 B.9): what proves the product, what proves us."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from orchestrator.fleet.values import Address, LocalPath, Model, SecretRef

#: The suite of checks of a host whose DICOM TLS is declared, whatever its role selects.
TLS_SUITE = "tls"


class ProbeIdentity(Model):
    """What the verifier shows a product that asks its callers for a certificate.

    ``key`` refers to a secret, ``key_file`` to a file of mode 0600 on the controller.
    """

    certificate: LocalPath
    key: SecretRef | None = None
    key_file: LocalPath | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if (self.key is None) == (self.key_file is None):
            raise ValueError("expected exactly one of key and key_file")
        return self


class DicomTls(Model):
    """DICOM over TLS (PS3.15 B.9): what proves the product's service. Files are PEM, local.

    ``certificate`` is the one that the service shows, for ``name`` (the host's address if there is
    none), issued by ``ca``. Its key is on the host and nowhere else. ``callers``: whether whoever
    connects has to show a certificate as well.
    """

    ca: LocalPath
    certificate: LocalPath
    name: Address | None = None
    callers: Literal["certified", "any"] = "certified"
    probe: ProbeIdentity | None = None

    @model_validator(mode="after")
    def _the_probe_gets_in(self) -> Self:
        if self.callers == "certified" and self.probe is None:
            raise ValueError("expected probe: the certificate of the verifier, or callers: any")
        return self

"""Checks, their results, and the request that a run of checks is made from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from orchestrator.fleet.model import Model, VerifySettings

Status = Literal["passed", "failed", "unknown"]
#: baseline: before anything; applied: the new release, door shut; restored: the old one again.
Moment = Literal["baseline", "applied", "restored"]


class CheckResult(Model):
    """What one check found. ``seconds``: how long it looked.

    ``measures`` are what later runs compare with. ``integrity``: of a role's own check, whether a
    failure keeps the door shut after a restore.
    """

    check: str
    status: Status
    because: str = ""
    protects: str = ""
    seconds: float = 0.0
    measures: dict[str, JsonValue] = Field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    integrity: bool = True

    @classmethod
    def unknown(cls, check: str, *, because: str) -> CheckResult:
        """A check that gave no answer."""
        return cls(check=check, status="unknown", because=because)


class CheckReport(Model):
    """One run of the checks on one host."""

    change_set: str
    host: str
    moment: Moment
    taken_at: datetime
    results: tuple[CheckResult, ...]

    def result(self, check: str) -> CheckResult | None:
        """The result of one check, if it was run."""
        return next((result for result in self.results if result.check == check), None)


class TlsTarget(Model):
    """What the product's DICOM service has to prove, as PEM texts, and what we show it.

    Our own key is in the environment, by name.
    """

    ca: str
    name: str
    certificate: str
    own_certificate: str | None = None
    own_key_env: str | None = None


class DicomTarget(Model):
    """Where the product's DICOM service is reached from here (through the tunnel)."""

    address: str = "127.0.0.1"
    port: int
    ae_title: str
    calling: str = "WARDSHIP"
    receive_port: int
    tls: TlsTarget | None = None


class WebTarget(Model):
    """Where the product's web service is reached. The password is in the environment, by name."""

    url: str
    dicomweb: str
    user: str | None = None
    password_env: str | None = None


class CheckRequest(Model):
    """Everything a run of checks needs; written to a file of mode 0600, holds no secret.

    ``change_set`` names the change whose scripts are on the host, ``volumes`` are paths there.
    ``census_before`` and ``baseline`` are absent at the baseline itself.
    """

    change_set: str
    moment: Moment
    host: str
    ssh_config: Path
    sudo: bool = False
    release: str
    root: str
    services: tuple[str, ...]
    ports: tuple[int, ...]
    volumes: tuple[str, ...]
    min_free_mib: int
    suites: tuple[str, ...]
    role_checks: Path | None = None
    dicom: DicomTarget | None = None
    web: WebTarget | None = None
    settings: VerifySettings
    seed: int
    baseline: CheckReport | None = None
    census_before: Path | None = None


class Verdict(Model):
    """What the results mean: *passed* only if every expected check passed.

    ``ails``: what did not pass and does not keep a door shut after a restore.
    """

    status: Status
    because: tuple[str, ...] = ()
    ails: tuple[str, ...] = ()

"""No change begins with a certificate that is over, or that nobody could read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.fleet.gates_model import GateSettings
from orchestrator.fleet.model import DicomEndpoint, DicomTls
from orchestrator.plan.gates import DeclaredCertificate, Prospect
from orchestrator.plan.gates_declared import certificates
from orchestrator.plan.prospect import prospect
from orchestrator.survey.model import CertificateSurvey
from tests.builders import NOW, a_fleet, a_host_survey

DAY = timedelta(days=1)
DECLARED = DicomEndpoint(
    ae_title="A", tls=DicomTls(ca="ca.pem", certificate="pacs.pem", callers="any")
)
SHOWN = CertificateSurvey(
    service="dicom", path="/etc/pacs.pem", names=("pacs.invalid",), fingerprint="f" * 64,
    not_before=NOW - DAY, not_after=NOW + 30 * DAY,
)  # fmt: skip


def of(whose: str, **other: object) -> DeclaredCertificate:
    known: dict[str, object] = {
        "whose": whose, "file": f"{whose}.pem", "fingerprint": "f" * 64,
        "not_before": NOW - DAY, "not_after": NOW + 300 * DAY,
    }  # fmt: skip
    return DeclaredCertificate.model_validate(known | other)


ALL = (of("authority"), of("archive"), of("verifier"))


@pytest.fixture
def host(tmp_path: Path) -> Prospect:
    survey = a_host_survey().model_copy(update={"certificates": (SHOWN,)})
    made = prospect(
        a_fleet(tmp_path), "hospital-a", "pacs-a",
        to_release="1.12.7", survey=survey, artifacts={}, now=NOW, certificates=ALL,
    )  # fmt: skip
    return replace(made, dicom=DECLARED)


def told(host: Prospect) -> list[str]:
    return [because for _, because, _ in certificates(host)]


def shown(host: Prospect, **other: object) -> Prospect:
    found = (SHOWN.model_copy(update=other),)
    return replace(host, survey=host.survey.model_copy(update={"certificates": found}))


def test_certificates_in_force_are_no_reason(host: Prospect) -> None:
    assert told(host) == []


def test_without_tls_no_certificate_is_asked_for(host: Prospect) -> None:
    bare = replace(host, dicom=DicomEndpoint(ae_title="A"), certificates=None)
    none = replace(bare, survey=a_host_survey())
    assert told(none) == []


def test_one_that_was_not_learned_refuses(host: Prospect) -> None:
    assert told(replace(host, survey=a_host_survey())) == [
        "which certificate the archive shows is not known"
    ]
    assert told(replace(host, certificates=None)) == ["nobody looked at the declared certificates"]
    unread = (of("archive", problem="gone", not_before=None, not_after=None),)
    assert told(replace(host, certificates=unread)) == ["archive.pem: gone"]


@pytest.mark.parametrize(
    ("since", "until", "refused"),
    [
        (-DAY, timedelta(seconds=1), ""),
        (-DAY, timedelta(0), "expired on 2026-11-22 06:00"),
        (-DAY, -DAY, "expired on 2026-11-21"),
        (timedelta(seconds=1), DAY, "is in force only from"),
    ],
)
def test_one_that_is_not_in_force_refuses_whatever_is_declared(
    host: Prospect, since: timedelta, until: timedelta, refused: str
) -> None:
    found = told(shown(host, not_before=NOW + since, not_after=NOW + until))
    assert [refused in one for one in found] == [True] * bool(refused)


@pytest.mark.parametrize(("days", "refuses"), [(30, False), (31, True), (None, False)])
def test_one_that_ends_too_soon_refuses_where_that_is_declared(
    host: Prospect, days: int | None, refuses: bool
) -> None:
    found = told(replace(host, settings=GateSettings(certificate_days=days)))
    assert [f"in 30 days; declared are {days} days" in one for one in found] == [True] * refuses


@pytest.mark.parametrize("whose", ["authority", "verifier"])
def test_those_of_the_authority_and_the_verifier_count_as_well(host: Prospect, whose: str) -> None:
    over = of(whose, not_after=NOW - DAY)
    found = told(replace(host, certificates=(of("archive"), over)))
    assert len(found) == 1
    assert f"the {whose}'s certificate ({whose}.pem) expired" in found[0]


def test_another_certificate_than_the_declared_one_refuses(host: Prospect) -> None:
    assert told(shown(host, fingerprint="e" * 64)) == [
        "/etc/pacs.pem on pacs-a is another certificate than archive.pem"
    ]


def test_a_host_may_declare_other_days_than_the_fleet(tmp_path: Path) -> None:
    from tests.builders import FLEET, facility_yaml

    fleet = a_fleet(
        tmp_path,
        {
            "fleet.yml": FLEET + "gates: {certificate_days: 30}\n",
            "facilities/hospital-a.yml": facility_yaml("a", number=11).replace(
                "    secrets:\n", "    gates: {certificate_days: 7}\n    secrets:\n"
            ),
        },
    )
    hosts = {name: each.hosts for name, each in fleet.facilities.items()}
    assert fleet.gates_of(hosts["hospital-a"]["pacs-a"]).certificate_days == 7
    assert fleet.gates_of(hosts["hospital-b"]["pacs-b"]).certificate_days == 30

"""Check reports and censuses as the journal keeps them: a small hospital's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from orchestrator.survey.census import Census, CensusInstance, CensusSeries, CensusStudy
from orchestrator.verify.model import CheckReport, CheckResult, Moment, Status

BEGAN = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
HOST = "pacs-b"

#: modality → studies, series per study, images per series.
ARCHIVE = {"CT": (8, 2, 12), "CR": (14, 1, 2), "MR": (5, 3, 8), "US": (9, 1, 4), "XA": (2, 1, 6)}

PROTECTS = {
    "release-runs": "The release that was ordered is the one that is switched on.",
    "ports-listening": "Modalities and workstations find the product where they always did.",
    "disk-free": "There is room for the images of the coming hours.",
    "dicom-echo": "Modalities reach the archive under the name that is set up in them.",
    "dicom-wrong-ae": "Images meant for another system are refused, as they were before.",
    "census-index": "Every study, series and image that the archive knew, it still knows.",
    "census-product": "Every study can be found by workstations, with all of its images.",
    "archive-files": "Every stored image file is there, whole and unchanged.",
    "archive-sample": "Stored image files still hold what the archive once received.",
    "dicomweb-qido": "Web viewers find the same studies as workstations do.",
    "dicomweb-wado": "Web viewers get the same images as workstations do.",
    "retrieve-time": "Images open as fast as before.",
    "dicom-round-trip": "A new study can be stored, found and fetched back unchanged.",
    "service-active": "The product's services run, and run on without starting again.",
}
ROOT = "1.2.826.0.1.3680043.8.498"
SAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "service-active": (
        "both services are active and have not restarted",
        ("orthanc.service: active, NRestarts=0",),
    ),
    "release-runs": ("current names the release that it should", ()),
    "ports-listening": ("4242 and 8042 listen on 0.0.0.0", ()),
    "disk-free": ("18,204 MiB are free, 512 are asked for", ()),
    "dicom-echo": ("C-ECHO as HOSPITALB answered 0x0000", ()),
    "dicom-wrong-ae": ("NOTHOSPITALB was rejected, HOSPITALB was accepted", ()),
    "dicom-round-trip": (
        "stored, found, fetched by C-GET and C-MOVE, removed",
        (
            "pixels sha256 9f2c41d0… equal 3 times",
            "header sha256 51ab09e7… equal 3 times",
            "study 1.2.826.0.1.3680043.8.498.77 proved gone",
        ),
    ),
    "dicomweb-qido": ("38 studies, as C-FIND says", ()),
    "dicomweb-wado": ("5 images equal those of C-GET", ()),
    "census-product": ("38 studies, 388 images, all as counted before", ()),
    "census-index": ("38 studies, 56 series, 388 images: none lost, none added", ()),
    "archive-files": (
        "388 files are there with their size; 0 had to be read again",
        ("0 missing, 0 resized, 0 differing",),
    ),
    "archive-sample": (
        "200 of 388 files hashed as the index says",
        ("51.2 MB read", "seed 20261121"),
    ),
    "retrieve-time": ("p95 0.21 s over 20 retrieves", ()),
}


def result(check: str, status: Status, because: str, *evidence: str) -> CheckResult:
    """A result that says what it protects."""
    return CheckResult(
        check=check,
        status=status,
        because=because,
        protects=PROTECTS[check],
        seconds=0.3,
        evidence=evidence,
    )


def documents(*moments: Moment, **bad: dict[str, CheckResult]) -> dict[str, str]:
    """Check reports of these moments, all passed but for what is named."""
    return {
        f"{moment}/{HOST}": _checks(moment, bad.get(moment, {})).model_dump_json()
        for moment in moments
    }


def census(*, lost: tuple[str, int] | None = None) -> str:
    """38 studies as the host program writes them, without ``lost`` images of a modality."""
    studies = [study for modality in ARCHIVE for study in _studies(modality)]
    if lost is not None:
        modality, images = lost
        at = next(i for i, s in enumerate(studies) if s.series[0].modality == modality)
        first = studies[at].series[0]
        less = first.model_copy(update={"instances": first.instances[images:]})
        series = (less, *studies[at].series[1:])
        studies[at] = studies[at].model_copy(update={"series": series})
    made = Census(schema=1, product="orthanc", patients=31, studies=tuple(studies))
    return made.model_dump_json(by_alias=True)


def _studies(modality: str) -> Iterable[CensusStudy]:
    studies, series, images = ARCHIVE[modality]
    root = f"{ROOT}.{list(ARCHIVE).index(modality) + 1}"
    for study in range(studies):
        yield CensusStudy(
            uid=f"{root}.{study}",
            series=tuple(
                _series(modality, f"{root}.{study}.{one}", images) for one in range(series)
            ),
        )


def _series(modality: str, uid: str, images: int) -> CensusSeries:
    stored = (
        CensusInstance(uid=f"{uid}.{n}", file=f"orthanc/aa/bb/{n}", size=524_812, md5="d4" * 16)
        for n in range(images)
    )
    return CensusSeries(uid=uid, modality=modality, instances=tuple(stored))


def _checks(moment: Moment, bad: dict[str, CheckResult]) -> CheckReport:
    offset = {"baseline": 50.0, "applied": 66.0, "restored": 79.0}[moment]
    skipped = {"archive-files"} if moment == "baseline" else set()
    return CheckReport(
        change_set="hospital-b-3f9c2a10",
        host=HOST,
        moment=moment,
        taken_at=BEGAN + timedelta(seconds=offset),
        results=tuple(
            bad.get(check) or _passed(check) for check in PROTECTS if check not in skipped
        ),
    )


def _passed(check: str) -> CheckResult:
    because, evidence = SAID[check]
    made = result(check, "passed", because, *evidence)
    if check == "retrieve-time":
        return made.model_copy(
            update={"measures": {"p95": 0.2113, "mean": 0.1402, "retrieves": 20}}
        )
    if check == "archive-sample":
        return made.model_copy(update={"measures": {"files": 388, "hashed": 200}})
    return made

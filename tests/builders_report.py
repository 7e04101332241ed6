"""Records and documents of change sets as the journal holds them: a small hospital, four ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import Limits, Ssh, StateVolume, VerifySettings
from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.model import Entry, Event, Record, State
from orchestrator.survey.census import Census, CensusInstance, CensusSeries, CensusStudy
from orchestrator.verify.model import CheckReport, CheckResult, Moment, Status

BEGAN = datetime(2026, 11, 21, 22, 30, tzinfo=UTC)
HOST = "pacs-b"

#: modality → series per study, images per series.
ARCHIVE = {"CT": (8, 2, 12), "CR": (14, 1, 2), "MR": (5, 3, 8), "US": (9, 1, 4), "XA": (2, 1, 6)}

PROTECTS = {
    "service-active": "The services run and stay up",
    "release-runs": "The services run and stay up",
    "disk-free": "The services run and stay up",
    "dicom-echo": "Modalities reach the archive and strangers do not",
    "dicom-wrong-ae": "Modalities reach the archive and strangers do not",
    "dicom-round-trip": "An image that is sent comes back as it was sent",
    "dicomweb-qido": "Viewers find and fetch by DICOMweb what DICOM has",
    "dicomweb-wado": "Viewers find and fetch by DICOMweb what DICOM has",
    "census-product": "Every study and image that was there is still there",
    "census-index": "Every study and image that was there is still there",
    "archive-files": "Every stored file is whole",
    "archive-sample": "Every stored file is whole",
    "retrieve-time": "Images come as fast as before",
}
SAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "service-active": (
        "both services are active and have not restarted",
        ("orthanc.service: active, NRestarts=0",),
    ),
    "release-runs": ("current names the release that it should", ()),
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


def change_set(*, host: str = HOST, facility: str = "hospital-b") -> ChangeSet:
    """A PACS from 1.10.1 to 1.12.7."""
    change = HostChange(
        host=host,
        address="192.0.2.12",
        ssh=Ssh(),
        product="orthanc",
        role="orthanc",
        kind="pacs",
        from_release="1.10.1",
        to_release="1.12.7",
        artifact=Artifact(file="orthanc-1.12.7.tar.zst", sha256="5e" * 32, size=96_401_233),
        root="/opt/orthanc",
        services=("postgresql@15-main.service", "orthanc.service"),
        volumes=(StateVolume(name="live", path="/data/live", objects=("orthanc",)),),
        paths=("/etc/orthanc", "/etc/systemd/system/orthanc.service", "/opt/orthanc/current"),
        install=(),
        snapshot="btrfs",
        door_tcp=(4242, 8042),
        limits=Limits(),
        suites=("service", "dicom", "dicomweb", "census", "retrieve"),
        dicom=None,
        web=None,
        facts={
            "release": "1.10.1",
            "configuration": "c4" * 32,
            "operating system": "Debian GNU/Linux 12 (bookworm)",
        },
    )
    return ChangeSet(
        id=f"{facility}-3f9c2a10", facility=facility, hosts=(change,), verify=VerifySettings()
    )


@dataclass
class Story:
    """Writes entries one after another, as the saga would."""

    now: datetime = BEGAN
    epoch: int = 3
    entries: list[Entry] = field(default_factory=list)

    def does(self, state: State, seconds: float, *, there: float | None = None) -> Story:
        """A step that did what it should; ``there``: the seconds by the host's own clock."""
        evidence: dict[str, JsonValue] = {} if there is None else {"seconds": {HOST: there}}
        return self._step(state, seconds, Event.DONE, "", evidence)

    def fails(
        self, state: State, seconds: float, because: str, event: Event = Event.FAILED
    ) -> Story:
        """A step that did not."""
        return self._step(state, seconds, event, because, {})

    def is_cut_off(self, state: State, seconds: float) -> Story:
        """A step that began, and whose controller died; the next one has a higher epoch."""
        self._write(state, None)
        self.now += timedelta(seconds=seconds)
        self.epoch += 1
        return self

    def is_sent(self, state: State, to: State, because: str, *, later: float = 600.0) -> Story:
        """A person sends it another way, ``later`` seconds after what was last written."""
        self.now += timedelta(seconds=later)
        self._write(state, Event.DONE, because, 0.0, {"redirected_to": to.value})
        return self

    def record(self, state: State, *, cause: str = "", of: ChangeSet | None = None) -> Record:
        """The record of it."""
        return Record(
            change_set=of or change_set(),
            plan="a7" * 32,
            state=state,
            cause=cause,
            epoch=self.epoch,
            runner="controller",
            abort_requested=False,
            since=self.now,
            entries=tuple(self.entries),
        )

    def _step(
        self,
        state: State,
        seconds: float,
        event: Event,
        because: str,
        evidence: dict[str, JsonValue],
    ) -> Story:
        self._write(state, None)
        self.now += timedelta(seconds=seconds)
        self._write(state, event, because, seconds, evidence)
        return self

    def _write(
        self,
        state: State,
        event: Event | None,
        because: str = "",
        seconds: float | None = None,
        evidence: dict[str, JsonValue] | None = None,
    ) -> None:
        self.entries.append(
            Entry(
                seq=len(self.entries) + 1,
                change_set="hospital-b-3f9c2a10",
                at=self.now,
                state=state,
                event=event,
                because=because,
                seconds=seconds,
                epoch=self.epoch,
                evidence=evidence or {},
            )
        )


def prepared() -> Story:
    """Staged, asked, checked: 51 s before the door is shut."""
    return Story().does(State.STAGING, 41.2).does(State.PREFLIGHT, 2.4).does(State.BASELINE, 7.4)


def applied() -> Story:
    """The new release runs behind the shut door; the outage is 11.2 s old."""
    return (
        prepared()
        .does(State.QUIESCING, 4.6, there=4.4)
        .does(State.SNAPSHOTTING, 0.6, there=0.5)
        .does(State.APPLYING, 6.0, there=5.8)
    )


def committed() -> tuple[Record, dict[str, str]]:
    """It went straight; the clinic was out for 17.2 s."""
    story = applied().does(State.VERIFYING, 4.8).does(State.COMMITTING, 0.3)
    record = story.does(State.OPENING, 0.9, there=0.8).record(State.COMMITTED)
    return record, documents("baseline", "applied") | {
        f"census-before/{HOST}": census(),
        f"census-after/{HOST}": census(),
    }


EMPTY = "the product lists 0 studies, the census before has 38"


def restored() -> tuple[Record, dict[str, str]]:
    """The archive looked empty; the clinic was out for 29.6 s."""
    why = f"{HOST}: census-product: {EMPTY}; {HOST}: dicomweb-qido: 0 studies"
    story = applied().fails(State.VERIFYING, 5.2, why).does(State.REVERTING, 0.3)
    story.does(State.RESTORING, 7.1, there=6.9).does(State.CONFIRMING, 4.9)
    record = story.does(State.REOPENING, 0.9).record(State.RESTORED, cause=why)
    bad = {
        "dicomweb-qido": result("dicomweb-qido", "failed", "0 studies by QIDO, 38 before"),
        "census-product": result(
            "census-product",
            "failed",
            EMPTY,
            "missing 1.2.826.0.1.3680043.8.498.1",
            "missing 1.2.826.0.1.3680043.8.498.2",
            "and 36 more",
        ),
        "archive-sample": CheckResult.unknown(
            "archive-sample", because="the index answered for 0 of 200 files"
        ),
    }
    return record, documents("baseline", "applied", "restored", applied=bad) | {
        f"census-before/{HOST}": census()
    }


def needs_hands() -> tuple[Record, dict[str, str]]:
    """Put back, and then two images were not what they were: the door stays shut."""
    why = f"{HOST}: apply failed: migrate: could not open relation: no space left on device"
    then = f"{HOST}: archive-files: 1 missing, 1 differing"
    story = prepared().does(State.QUIESCING, 4.6).does(State.SNAPSHOTTING, 0.6)
    story.fails(State.APPLYING, 38.0, why).is_cut_off(State.REVERTING, 24.0)
    story.does(State.REVERTING, 0.4).does(State.RESTORING, 7.1)
    record = story.fails(State.CONFIRMING, 65.0, then).record(State.NEEDS_HANDS, cause=why)
    bad = {
        "archive-files": result(
            "archive-files",
            "failed",
            "1 file is missing, 1 differs from the captured state",
            "missing orthanc/4f/0a/4f0a77c2-6f1e-4b52-8d0f-5cf8c62a5f0e",
            "differing orthanc/91/bc/91bc03d1-a8c1-4dcf-9c55-1f7f5c6de2f7",
        ),
    }
    return record, documents("baseline", "restored", restored=bad) | {
        f"census-before/{HOST}": census(),
        f"census-after/{HOST}": census(lost=("CT", 1)),
    }


NOT_RECOGNIZED = "HOSPITALB was rejected: called AE title not recognized"


def not_started() -> tuple[Record, dict[str, str]]:
    """The wrong AE title was there before anything began."""
    why = f"{HOST}: dicom-echo: {NOT_RECOGNIZED}"
    story = Story().does(State.STAGING, 41.2).does(State.PREFLIGHT, 2.4)
    record = story.fails(State.BASELINE, 66.0, why).record(State.NOT_STARTED, cause=why)
    bad = {"dicom-echo": result("dicom-echo", "failed", NOT_RECOGNIZED)}
    return record, documents("baseline", baseline=bad)


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
    root = f"1.2.826.0.1.3680043.8.498.{list(ARCHIVE).index(modality) + 1}"
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
    skipped = {"census-index", "archive-files"} if moment == "baseline" else set()
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

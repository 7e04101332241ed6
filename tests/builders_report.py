"""Records and documents of change sets as the journal holds them: a small hospital, four ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import Limits, Ssh, StateVolume, VerifySettings
from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.model import Entry, Event, Record, State
from orchestrator.verify.model import CheckResult
from tests.builders_report_documents import BEGAN, HOST, ROOT, census, documents, result


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

    def hears(self, state: State, **evidence: JsonValue) -> Story:
        """A step that did what it should, with what hosts said."""
        return self._step(state, 1, Event.DONE, "", evidence)

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
    bad["census-index"] = result("census-index", "failed", "1 object missing: " + f"{ROOT}.1.0.0.0")
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

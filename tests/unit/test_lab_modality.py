"""The modality: sends the same image until it is acknowledged, and writes down what was."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from pydicom import Dataset

from orchestrator.lab import modality
from orchestrator.lab.loss import describe
from orchestrator.lab.modality import Acknowledged, GapClosed, GapOpened, Modality
from orchestrator.wire.errors import NotConnected


class Archive:
    """Takes images, except at the attempts that it is told to refuse."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.attempts: list[str] = []

    def take(self, dataset: Dataset) -> None:
        self.attempts.append(dataset.SOPInstanceUID)
        if len(self.attempts) in self.refused:
            raise NotConnected("nobody listens")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "manifest.jsonl"


def some(count: int) -> Iterator[Dataset]:
    return islice(modality.images("CT1", seed=1), count)


def test_every_acknowledged_image_is_in_the_manifest(manifest: Path) -> None:
    archive = Archive()
    Modality(archive.take, manifest, interval=0).run(some(3))
    assert [stored.sop for stored in modality.acknowledged(manifest)] == archive.attempts
    assert modality.acknowledged(manifest) == tuple(describe(made) for made in some(3))


def test_a_refused_image_is_sent_again_until_it_is_taken(manifest: Path) -> None:
    archive = Archive(2, 3)
    Modality(archive.take, manifest, interval=0).run(some(3))
    first, second, third = (made.SOPInstanceUID for made in some(3))
    assert archive.attempts == [first, second, second, second, third]
    stored = [line for line in modality.read(manifest) if isinstance(line, Acknowledged)]
    assert [line.tries for line in stored] == [1, 3, 1]
    assert [each.sop for each in modality.acknowledged(manifest)] == [first, second, third]


def test_a_gap_has_its_beginning_its_reason_and_its_length(manifest: Path) -> None:
    ticks = iter([100.0, 142.0])
    Modality(Archive(2, 3).take, manifest, interval=0, clock=lambda: next(ticks)).run(some(3))
    lines = modality.read(manifest)
    opened = [line for line in lines if isinstance(line, GapOpened)]
    closed = [line for line in lines if isinstance(line, GapClosed)]
    assert [line.because for line in opened] == ["nobody listens"]
    assert [line.seconds for line in closed] == [42.0]


def test_stopped_in_a_gap_it_claims_nothing_for_the_image(manifest: Path) -> None:
    def refuse(_: Dataset) -> None:
        it.stop()
        raise NotConnected("nobody listens")

    it = Modality(refuse, manifest, interval=0)
    it.run(some(3))
    assert modality.acknowledged(manifest) == ()
    assert len(modality.read(manifest)) == 1


def test_a_line_that_is_being_written_is_not_read(manifest: Path) -> None:
    Modality(Archive().take, manifest, interval=0).run(some(2))
    whole = manifest.read_bytes()
    manifest.write_bytes(whole[:-40])
    assert len(modality.acknowledged(manifest)) == 1


def test_a_new_study_begins_every_twenty_images() -> None:
    studies = [made.StudyInstanceUID for made in some(41)]
    assert len(set(studies[:20])) == 1
    assert len(set(studies)) == 3

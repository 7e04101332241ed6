"""A census on disk: whole or refused, in order, and as long as it likes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import SurveyError
from orchestrator.survey.listing import (
    Entry,
    ListedRecord,
    ListedSeries,
    ListedStudy,
    Listing,
    ListingHead,
    write_listing,
)

HEAD = ListingHead(source="pacs-a", how="DICOM", taken_at=datetime(2026, 3, 1, tzinfo=UTC), key="k")


def study(uid: str, *instances: str, patient: str = "p", modality: str = "CT") -> ListedStudy:
    series = ListedSeries(uid=f"{uid}.1", modality=modality, instances=tuple(instances))
    return ListedStudy(study=uid, patient=patient, series=(series,))


def record(key: str, digest: str = "d", kind: str = "orders") -> ListedRecord:
    return ListedRecord(record=kind, key=key, digest=digest)


def written(path: Path, *entries: Entry, head: ListingHead = HEAD) -> Listing:
    write_listing(path, head, entries)
    return Listing(path)


ENTRIES = (study("1.2", "1.2.1", "1.2.2"), study("1.3", "1.3.1", modality="MR"), record("7"))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    listing = written(tmp_path / "a", *ENTRIES)
    assert tuple(listing.entries()) == ENTRIES
    counts = listing.counts
    assert counts is not None
    assert (counts.studies, counts.series, counts.instances, counts.patients) == (2, 2, 3, 1)
    assert counts.modalities == {"CT": 2, "MR": 1}
    assert counts.records == {"orders": 1}
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_an_empty_archive_is_a_listing_too(tmp_path: Path) -> None:
    listing = written(tmp_path / "a")
    assert tuple(listing.entries()) == ()
    assert listing.counts is not None


@pytest.mark.parametrize("lines", [1, 2, 3, 4])
def test_one_that_was_cut_off_is_refused(lines: int, tmp_path: Path) -> None:
    written(tmp_path / "a", *ENTRIES)
    kept = (tmp_path / "a").read_bytes().splitlines(keepends=True)[:lines]
    (tmp_path / "a").write_bytes(b"".join(kept))
    with pytest.raises(SurveyError, match="has no end"):
        tuple(Listing(tmp_path / "a").entries())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1.2.2", b"1.2.9"),  # another object
        (b'"MR"', b'"CR"'),
        (b'"instances":3', b'"instances":4'),  # at the end
        (b'"source":"pacs-a"', b'"source":"pacs-b"'),
        (b'{"study":"1.3"', b'{"study":"1.1"'),  # out of order
        (b'{"record":"orders"', b'{"strange":"orders"'),
    ],
)
def test_one_that_was_touched_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    written(tmp_path / "a", *ENTRIES)
    before = (tmp_path / "a").read_bytes()
    assert old in before
    (tmp_path / "a").write_bytes(before.replace(old, new))
    with pytest.raises(SurveyError, match="cut off or touched"):
        tuple(Listing(tmp_path / "a").entries())


def test_what_comes_after_the_end_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a", *ENTRIES)
    with (tmp_path / "a").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(SurveyError, match="sealed"):
        tuple(Listing(tmp_path / "a").entries())


@pytest.mark.parametrize("entries", [(study("1.3"), study("1.2")), (record("1"), record("1"))])
def test_what_is_there_twice_is_not_written(entries: tuple[Entry, ...], tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="twice or out of order"):
        write_listing(tmp_path / "a", HEAD, entries)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, b"", b"{}\n", b"\xff\n"])
def test_what_is_no_listing_is_said(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(SurveyError):
        Listing(tmp_path / "a")

"""The proof that nothing was lost, and the fingerprint it rests on."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread, uid
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets

from orchestrator.lab import studies
from orchestrator.lab.fingerprint import fingerprint, fingerprint_of_file
from orchestrator.lab.loss import Stored, describe, lost, orthanc_id
from orchestrator.lab.studies import Archive

IMAGE = next(studies.study(Archive("a"), 1))
FILE = studies.as_file(IMAGE)
STORED = describe(IMAGE)


def changed(change: Callable[[Dataset], None]) -> bytes:
    made = dcmread(BytesIO(FILE))
    change(made)
    return studies.as_file(made)


def cut_a_pixel(made: Dataset) -> None:
    made.PixelData = made.PixelData[:-2] + b"\0\1"


def rename(made: Dataset) -> None:
    made.PatientName = "SYNTHETIC^OTHER"


def add_a_private_element(made: Dataset) -> None:
    made.private_block(0x0009, "LAB", create=True).add_new(1, "LO", "x")


def in_implicit(made: Dataset) -> None:
    made.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian
    made.file_meta.ImplementationVersionName = "OTHER"


def test_what_is_there_and_the_same_is_not_lost() -> None:
    assert lost([STORED], lambda _: FILE) == []


def test_another_encoding_of_the_same_object_is_the_same() -> None:
    assert lost([STORED], lambda _: changed(in_implicit)) == []


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (None, "missing"),
        (b"no DICOM file at all", "unreadable"),
        (changed(cut_a_pixel), "pixels differ"),
        (changed(rename), "header differs"),
        (changed(add_a_private_element), "header differs"),
        (FILE[:-1000], "pixels differ"),
    ],
)
def test_what_differs_is_lost_and_says_why(answer: bytes | None, because: str) -> None:
    assert [loss.because for loss in lost([STORED], lambda _: answer)] == [because]


def test_every_object_of_the_archive_is_the_same_after_it_was_written() -> None:
    for number in (2, 3, 4, 5, 6, 8):
        for made in studies.study(Archive("a"), number):
            assert fingerprint(made) == fingerprint_of_file(studies.as_file(made))


def test_a_compressed_image_may_lose_its_table_of_offsets() -> None:
    made = next(studies.study(Archive("a"), 3))
    assert made.file_meta.TransferSyntaxUID == uid.RLELossless
    before = fingerprint(made)
    stream = BytesIO(made.PixelData)
    parse_basic_offsets(stream)
    made.PixelData = encapsulate(list(generate_fragments(stream)), has_bot=False)
    assert fingerprint(made) == before


def test_the_name_by_which_orthanc_knows_an_instance() -> None:
    """Orthanc Book, "Orthanc identifiers": SHA-1 of patient, study, series and SOP instance."""
    known = Stored(
        sop="4", study="2", series="3", patient="1",
        modality="CT", syntax="1.2.840.10008.1.2", fingerprint=STORED.fingerprint,
    )  # fmt: skip
    assert orthanc_id(known) == "e1606893-f438c3fe-10bea6c6-d1f37f47-50741ac8"

"""The fingerprint of an object: what it covers, and the short list of what it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.sequence import Sequence
from pydicom.uid import UID

from orchestrator.wire.dicom import EXPLICIT, IMPLICIT
from orchestrator.wire.errors import Garbled
from orchestrator.wire.objects import Fingerprint, encode, read_file

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def image() -> Dataset:
    """A small object with a bit of everything: text, numbers, a sequence, a private tag."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = SECONDARY_CAPTURE, "2.25.11"
    made.PatientID, made.PatientName = "LAB-1", "Próva^Única"
    made.SliceThickness, made.Rows = "1.50", 2
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = "T-1", "SRT"
    made.AnatomicRegionSequence = Sequence([code])
    made.add_new(0x00091001, "LO", "WARDSHIP")
    made.BitsAllocated = 16
    made.PixelData = bytes(range(8))
    made["PixelData"].VR = "OW"
    return made


def prints(change: Callable[[Dataset], None], *, syntax: str = EXPLICIT) -> Fingerprint:
    made = image()
    change(made)
    return encode(made, syntax).fingerprint()


def nothing(_: Dataset) -> None:
    """No change."""


def test_the_encoding_does_not_count() -> None:
    assert prints(nothing) == prints(nothing, syntax=IMPLICIT)


def test_a_header_value_counts_and_leaves_the_pixels() -> None:
    def rename(made: Dataset) -> None:
        made.PatientName = "Prova^Única"

    assert prints(rename).header != prints(nothing).header
    assert prints(rename).pixels == prints(nothing).pixels


def test_a_pixel_counts_and_leaves_the_header() -> None:
    def flip(made: Dataset) -> None:
        made.PixelData = bytes([1, *range(1, 8)])

    assert prints(flip).pixels != prints(nothing).pixels
    assert prints(flip).header == prints(nothing).header


def test_a_value_in_a_sequence_counts() -> None:
    def recode(made: Dataset) -> None:
        made.AnatomicRegionSequence[0].CodeValue = "T-2"

    assert prints(recode).header != prints(nothing).header


def test_a_private_element_counts() -> None:
    def without(made: Dataset) -> None:
        del made[0x00091001]

    assert prints(without).header != prints(nothing).header


def test_an_item_more_counts() -> None:
    def more(made: Dataset) -> None:
        made.AnatomicRegionSequence.append(Dataset())

    assert prints(more).header != prints(nothing).header


def test_padding_and_group_lengths_do_not_count() -> None:
    def pad(made: Dataset) -> None:
        made.add_new(0xFFFCFFFC, "OB", b"\0\0")
        made.add_new(0x00080000, "UL", 99)

    assert prints(pad) == prints(nothing)


def test_a_file_is_its_object() -> None:
    made = image()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    stream = DicomBytesIO()
    dcmwrite(stream, made, enforce_file_format=True)
    stored = read_file(stream.getvalue())
    assert (stored.sop_instance, stored.transfer_syntax) == ("2.25.11", EXPLICIT)
    assert stored.data == encode(image(), EXPLICIT).data


@pytest.mark.parametrize("content", [b"", b"<html>", bytes(128) + b"DICM", bytes(400)])
def test_what_is_no_file_is_garbled(content: bytes) -> None:
    with pytest.raises(Garbled):
        read_file(content)


def test_an_object_that_was_cut_off_is_garbled() -> None:
    whole = encode(image(), EXPLICIT)
    with pytest.raises(Garbled):
        replace(whole, data=whole.data[:-3]).fingerprint()

"""A stored object as it travels, and the fingerprint that says whether two of them are the same.

The fingerprint covers every element but the file meta information (group 0002), group lengths
(gggg,0000; retired, PS3.5 section 7.2) and trailing padding (FFFC,FFFC): this is the whole list of
benign differences. Pixel data is hashed on its own, as stored, without decoding. Nothing here
prints a value.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element, write_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from orchestrator.wire.errors import Garbled

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
PADDING = 0xFFFCFFFC
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 of what a radiologist sees (``pixels``) and of everything else (``header``)."""

    header: str
    pixels: str


@dataclass(frozen=True)
class StoredObject:
    """A composite object: its data set as bytes, encoded in ``transfer_syntax``, without meta."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the data set."""
        return len(self.data)

    def dataset(self) -> Dataset:
        """The data set, parsed.

        Raises:
            Garbled: it cannot be read.
        """
        syntax = UID(self.transfer_syntax)
        try:
            return dcmread(
                BytesIO(_with_meta(self.sop_class, self.sop_instance, syntax) + self.data)
            )
        except Exception as error:
            raise Garbled(f"object {self.sop_instance} cannot be read: {error!r}") from None

    def fingerprint(self) -> Fingerprint:
        """The fingerprint of this object.

        Raises:
            Garbled: it cannot be read, or is shorter than its elements say.
        """
        dataset = self.dataset()
        try:
            return fingerprint(dataset)
        except Exception as error:
            raise Garbled(f"object {self.sop_instance} cannot be read: {error!r}") from None


def read_file(content: bytes) -> StoredObject:
    """A DICOM file (PS3.10) as an object.

    Raises:
        Garbled: it is not one.
    """
    if content[128:132] != b"DICM":
        raise Garbled(f"{len(content)} bytes that are no DICOM file")
    try:
        stream = BytesIO(content)
        meta = dcmread(stream, stop_before_pixels=True, specific_tags=["SOPClassUID"]).file_meta
        start = 132 + 12 + int(meta.FileMetaInformationGroupLength)
        return StoredObject(
            sop_class=str(meta.MediaStorageSOPClassUID),
            sop_instance=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax=str(meta.TransferSyntaxUID),
            data=content[start:],
        )
    except Exception as error:
        raise Garbled(f"a DICOM file that cannot be read: {error!r}") from None


def fingerprint(dataset: Dataset) -> Fingerprint:
    """The fingerprint of a data set, whatever its byte encoding of values."""
    header, pixels = hashlib.sha256(), hashlib.sha256()
    for tag in sorted(dataset.keys()):
        if tag in PIXELS:
            _add(pixels, dataset, tag)
        else:
            _add(header, dataset, tag)
    return Fingerprint(header=header.hexdigest(), pixels=pixels.hexdigest())


def _add(digest: Any, dataset: Dataset, tag: BaseTag) -> None:
    if tag.group == 0x0002 or tag.element == 0x0000 or tag == PADDING:
        return
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        _require_whole(element)
    if isinstance(element, RawDataElement) and _vr(element) != "SQ":
        _frame(digest, tag, element.value or b"")
        return
    decoded = dataset[tag]
    if decoded.VR != "SQ":
        _frame(digest, tag, _encoded(decoded))
        return
    digest.update(b"(%08x" % tag)
    for item in decoded.value:
        digest.update(b"[")
        for inner in sorted(item.keys()):
            _add(digest, item, inner)
        digest.update(b"]")
    digest.update(b")")


def _require_whole(element: RawDataElement) -> None:
    """pydicom takes what there is where a data set ends too early."""
    there = len(element.value or b"")
    if element.length not in (there, UNDEFINED):
        raise ValueError(f"element {element.tag} has {there} of {element.length} bytes")


def _vr(element: RawDataElement) -> str:
    """The VR as stored, or, in implicit encodings, the dictionary's (PS3.5 section 7.1.3)."""
    if element.VR is not None:
        return element.VR
    try:
        return dictionary_VR(element.tag)
    except KeyError:
        return "UN"


def _frame(digest: Any, tag: int, value: bytes) -> None:
    digest.update(b"%08x:%d:" % (tag, len(value)))
    digest.update(value)


def _encoded(element: DataElement) -> bytes:
    """The value's bytes in implicit little endian, the one encoding that has no choices."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, True
    write_data_element(stream, element)
    return stream.getvalue()[8:]


def encode(dataset: Dataset, transfer_syntax: str) -> StoredObject:
    """A data set of ours, ready to be sent. Pixel data must already be in ``transfer_syntax``."""
    syntax = UID(transfer_syntax)
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, syntax.is_implicit_VR
    write_dataset(stream, dataset)
    return StoredObject(
        sop_class=str(dataset.SOPClassUID),
        sop_instance=str(dataset.SOPInstanceUID),
        transfer_syntax=str(syntax),
        data=stream.getvalue(),
    )


def _with_meta(sop_class: str, sop_instance: str, syntax: UID) -> bytes:
    """A preamble and the least file meta information that makes a data set readable."""
    body = b"".join(
        _uid_element(element, value)
        for element, value in ((2, sop_class), (3, sop_instance), (0x10, str(syntax)))
    )
    length = b"\x02\x00\x00\x00UL\x04\x00" + len(body).to_bytes(4, "little")
    return bytes(128) + b"DICM" + length + body


def _uid_element(element: int, value: str) -> bytes:
    text = value.encode("ascii") + b"\0" * (len(value) % 2)
    return (
        b"\x02\x00" + element.to_bytes(2, "little") + b"UI" + len(text).to_bytes(2, "little") + text
    )

"""What must be the same when an object comes back: two hashes, one of pixels and one of the rest.

Independent of how the header was encoded on the way (implicit or explicit VR), since an archive may
answer in either; a compressed image is hashed as it is compressed. Deliberately not the product's
own fingerprint (``wire.objects``): the lab is the witness that the product lost nothing.
"""

from __future__ import annotations

import hashlib
from io import BytesIO

from pydantic import BaseModel, ConfigDict
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_fragments, parse_basic_offsets
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

_PIXEL_DATA = Tag(0x7FE0, 0x0010)
#: Padding at the end of a file (PS3.10 section 7.2) says nothing about the object.
_PADDING = Tag(0xFFFC, 0xFFFC)


class Fingerprint(BaseModel):
    """SHA-256 of the pixel bytes and of the header without file meta information."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    pixels: str
    header: str


def fingerprint(dataset: Dataset) -> Fingerprint:
    """Of an object in memory. Group lengths (PS3.5 section 7.2) are no part of it."""
    header = Dataset()
    header.update(
        {
            tag: dataset.get_item(tag)
            for tag in sorted(dataset.keys())
            if tag.element != 0 and tag not in (_PIXEL_DATA, _PADDING)
        }
    )
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, header)
    return Fingerprint(
        pixels=hashlib.sha256(_pixels(dataset)).hexdigest(),
        header=hashlib.sha256(buffer.getvalue()).hexdigest(),
    )


def _pixels(dataset: Dataset) -> bytes:
    """The pixel bytes; of a compressed image its fragments, without the table of their offsets."""
    value: bytes = dataset.get("PixelData", b"")
    syntax = dataset.file_meta.TransferSyntaxUID if hasattr(dataset, "file_meta") else None
    if syntax is None or not syntax.is_encapsulated:
        return value
    stream = BytesIO(value)
    parse_basic_offsets(stream)
    return b"".join(generate_fragments(stream))


def fingerprint_of_file(content: bytes) -> Fingerprint:
    """Of an object as a DICOM file (PS3.10)."""
    return fingerprint(dcmread(BytesIO(content)))

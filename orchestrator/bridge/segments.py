"""A message's segments by name and place, their parts as texts.

An empty part says nothing, and ``""`` says that there is no value any more (HL7 v2.5.1 section
2.5.3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

import hl7

from orchestrator.wire import mllp

from .refusal import NotTakenError

#: HL7 table 0211, as Python calls it. ASCII is a part of the last.
CHARSETS = {
    "ASCII": "ascii",
    "8859/1": "latin-1",
    "8859/2": "iso8859-2",
    "8859/5": "iso8859-5",
    "8859/6": "iso8859-6",
    "8859/7": "iso8859-7",
    "8859/8": "iso8859-8",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
}
NULL = '""'
#: HL7 v2.5.1 section 2.A.22: at least a day, and as much of a time as is known.
MOMENT = re.compile(
    r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d{1,4})?)?)?)?([+-]\d{4})?"
)
DATE_UNKNOWN = re.compile(r"\d{4}(\d\d)?")


@dataclass(frozen=True)
class Segment:
    """One segment of a message; fields count from 1 as in the standard."""

    message: hl7.Message
    name: str
    place: int

    def part(self, field: int, component: int = 1, *, repetition: int = 1) -> str:
        """A component as text, unescaped; empty where there is none."""
        try:
            found = self.message.extract_field(
                self.name, self.place, field, repetition, component, 1
            )
        except (IndexError, KeyError):
            return ""
        return str(found).strip()

    def lines(self, field: int) -> list[str]:
        """A text with all of its repetitions and lines, unescaped, none of them empty."""
        found = [
            str(self.message.unescape(each)).replace("\r", "\n")
            for each in self._raw(field).split(self.message.separators[2])
        ]
        return [line.strip() for each in found for line in each.split("\n") if line.strip()]

    def repetitions(self, field: int) -> int:
        """How often a field is there; an empty one is there once."""
        return self._raw(field).count(self.message.separators[2]) + 1

    def _raw(self, field: int) -> str:
        segment = self.message.segments(self.name)[self.place - 1]
        return str(segment(field)) if len(segment) > field else ""


def decoded(message: bytes, *, charset: str) -> list[Segment]:
    """The segments of a message, in order, in its own character set.

    Args:
        charset: that of a message that names none, as MSH-18 would.

    Raises:
        NotTakenError: the character set is not known, or the text is not of it.
    """
    named = Segment(mllp.read(message), "MSH", 1).part(18) or charset
    codec = CHARSETS.get(named)
    if codec is None:
        raise NotTakenError("the character set of MSH-18 is not known here", "103")
    try:
        text = message.decode(codec)
    except UnicodeDecodeError:
        raise NotTakenError(f"the message is not in its character set, {named}", "102") from None
    read = hl7.parse(text)
    found, seen = [], dict[str, int]()
    for one in read:
        name = str(one[0])
        seen[name] = seen.get(name, 0) + 1
        found.append(Segment(read, name, seen[name]))
    return found


def only(segments: Sequence[Segment], name: str) -> Segment:
    """The one segment of this name.

    Raises:
        NotTakenError: there is none, or another too.
    """
    found = [one for one in segments if one.name == name]
    if len(found) != 1:
        raise NotTakenError(f"{len(found)} segments {name}, and it must be one", "100")
    return found[0]


def require_plain(text: str, where: str) -> str:
    """A number that DICOM and a database can carry: no backslash, no control character.

    Raises:
        NotTakenError: it is not.
    """
    if "\\" in text or not text.isprintable():
        raise NotTakenError(f"{where} has characters that no number may have", "102")
    return text


def day(text: str, where: str) -> date | None:
    """A date; none where only the year or the month is known.

    Raises:
        NotTakenError: it is no date.
    """
    if DATE_UNKNOWN.fullmatch(text):
        return None
    return moment(text, where, zone=UTC).date()


def moment(text: str, where: str, *, zone: tzinfo) -> datetime:
    """A time; in ``zone`` where it names none.

    Raises:
        NotTakenError: it is no time.
    """
    found = MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        year, month, date_, hour, minute, second = (int(each or 0) for each in found.groups()[:6])
        if offset := found[7]:
            minutes = int(offset[1:3]) * 60 + int(offset[3:])
            zone = timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))
        return datetime(year, month, date_, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise NotTakenError(f"{where} is no date and time", "102") from None

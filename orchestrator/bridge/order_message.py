"""What a message says of orders (ORM^O01): each ORC with the OBR and the notes that follow it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise

from .refusal import NotTakenError, missing
from .segments import NULL, Segment, moment, require_plain

#: Order control (HL7 table 0119): new, changed, cancelled.
NEW, CHANGED, CANCELLED = "NW", "XO", "CA"
#: An accession number has no more characters (PS3.5 table 6.2-1, SH).
LONGEST = 16
#: Priorities of TQ1-9, ORC-7.6, OBR-27.6 and OBR-5 that mean now.
URGENT = ("S", "A", "STAT", "ASAP")
#: The line of an order's comment that says so: the RIS has no state for it.
CANCELLED_HERE = "CANCELLED by the ordering system"


@dataclass(frozen=True)
class Order:
    """One order. ``at``: when it is to be made, ``ordered``: when it was placed, where it says so.

    ``urgent`` is None where no priority is told; ``notes`` are lines.
    """

    control: str
    number: str
    test: str
    doctors: tuple[str, ...]
    at: datetime | None
    ordered: datetime | None
    urgent: bool | None
    notes: tuple[str, ...]


def read(segments: Sequence[Segment], *, zone: tzinfo, placer: str) -> list[Order]:
    """The orders of a message.

    Args:
        zone: of times that name none.
        placer: whose numbers they have to be (ORC-2.2); empty: those that name nobody.

    Raises:
        NotTakenError: one of them cannot be read.
    """
    begins = [number for number, one in enumerate(segments) if one.name == "ORC"]
    if not begins:
        raise NotTakenError("no segment ORC", "100")
    of_all = _lines(one for one in segments[: begins[0]] if one.name == "NTE")
    return [
        _order(segments[a:b], of_all, zone, placer) for a, b in pairwise([*begins, len(segments)])
    ]


def _order(group: Sequence[Segment], of_all: list[str], zone: tzinfo, placer: str) -> Order:
    orc = group[0]
    details = [one for one in group if one.name == "OBR"]
    control = orc.part(1)
    if control not in (NEW, CHANGED, CANCELLED):
        raise NotTakenError("ORC-1 is none of NW, XO and CA", "103")
    if len(details) != 1 and not (control == CANCELLED and not details):
        raise NotTakenError(f"{len(details)} segments OBR after ORC, and it must be one", "100")
    obr = details[0] if details else None
    priorities = [each for each in _priorities(orc, obr, group) if each not in ("", NULL)]
    notes = [*of_all, *_reasons(obr), *_lines(one for one in group if one.name == "NTE")]
    if CANCELLED_HERE in notes:
        raise NotTakenError("a note says what the bridge says of cancelled orders", "103")
    return Order(
        control=control,
        number=_number(orc, placer),
        test=obr.part(4) if obr else "",
        doctors=tuple(
            each for each in (orc.part(12), obr.part(16) if obr else "") if each not in ("", NULL)
        ),
        at=_first(_to_be_made(orc, obr, group), zone),
        ordered=_first([("ORC-15", orc.part(15)), ("ORC-9", orc.part(9))], zone),
        urgent=any(each in URGENT for each in priorities) if priorities else None,
        notes=tuple(notes),
    )


def _number(orc: Segment, placer: str) -> str:
    number, of = orc.part(2), orc.part(2, 2)
    if not number or number == NULL:
        raise missing("ORC-2, the placer's order number,")
    if len(number) > LONGEST:
        raise NotTakenError(f"ORC-2 has more than {LONGEST} characters", "102")
    if of != placer:
        raise NotTakenError("ORC-2.2 is not the placer that is declared here", "204")
    return require_plain(number, "ORC-2")


def _first(told: Sequence[tuple[str, str]], zone: tzinfo) -> datetime | None:
    found = next((each for each in told if each[1] not in ("", NULL)), None)
    return moment(found[1], found[0], zone=zone) if found else None


def _to_be_made(
    orc: Segment, obr: Segment | None, group: Sequence[Segment]
) -> list[tuple[str, str]]:
    timing = [("TQ1-7", one.part(7)) for one in group if one.name == "TQ1"]
    details = [("OBR-36", obr.part(36)), ("OBR-27", obr.part(27, 4))] if obr else []
    return [*timing, *details, ("ORC-7", orc.part(7, 4))]


def _priorities(orc: Segment, obr: Segment | None, group: Sequence[Segment]) -> list[str]:
    timing = [one.part(9) for one in group if one.name == "TQ1"]
    return [*timing, orc.part(7, 6), *([obr.part(27, 6), obr.part(5)] if obr else [])]


def _reasons(obr: Segment | None) -> list[str]:
    """Clinical information, and the reasons for the study (a text, or else its code)."""
    if obr is None:
        return []
    times = range(1, obr.repetitions(31) + 1)
    reasons = [obr.part(31, 2, repetition=n) or obr.part(31, repetition=n) for n in times]
    return [each for each in (*obr.lines(13), *reasons) if each not in ("", NULL)]


def _lines(notes: Iterable[Segment]) -> list[str]:
    return [line for one in notes for line in one.lines(3) if line != NULL]

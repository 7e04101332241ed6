"""Orders of imaging: of ORM^O01 in GNU Health, under the number of whoever placed them.

The placer's number is the order's number in the RIS, its accession number, and how it is found
again: the bridge keeps none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from itertools import pairwise
from typing import Any

from .patients import ORDER
from .refusal import NotTakenError, missing
from .ris import Ris, as_moment
from .segments import NULL, Segment, moment

#: Order control (HL7 table 0119): new, changed, cancelled.
NEW, CHANGED, CANCELLED = "NW", "XO", "CA"
#: An accession number has no more characters (PS3.5 table 6.2-1, SH).
LONGEST = 16
#: Priorities of TQ1-9, ORC-7.6, OBR-27.6 and OBR-5 that mean now.
URGENT = ("S", "A", "STAT", "ASAP")
#: What the comment of an order begins with that was cancelled: the RIS has no state for it.
CANCELLED_HERE = "CANCELLED by the ordering system"
DONE = "done"
KNOWN = ("patient", "requested_test", "doctor", "date", "urgent", "comment", "state")


#: Does what was intended, for the patient of this id.
Act = Callable[[int], None]


@dataclass(frozen=True)
class Order:
    """One order of a message."""

    control: str
    number: str
    test: str
    doctors: tuple[str, ...]
    at: datetime | None
    #: None: it does not say.
    urgent: bool | None
    comment: str


def read(segments: Sequence[Segment], *, zone: tzinfo) -> list[Order]:
    """The orders of a message: each ORC with the OBR and the notes that follow it.

    Raises:
        NotTakenError: one of them cannot be read.
    """
    begins = [number for number, one in enumerate(segments) if one.name == "ORC"]
    if not begins:
        raise NotTakenError("no segment ORC", "100")
    return [_order(segments[a:b], zone) for a, b in pairwise([*begins, len(segments)])]


def _order(group: Sequence[Segment], zone: tzinfo) -> Order:
    orc = group[0]
    details = [one for one in group if one.name == "OBR"]
    control, number = orc.part(1), orc.part(2)
    if control not in (NEW, CHANGED, CANCELLED):
        raise NotTakenError("ORC-1 is none of NW, XO and CA", "103")
    if not number or number == NULL:
        raise missing("ORC-2, the placer's order number,")
    if len(number) > LONGEST:
        raise NotTakenError(f"ORC-2 has more than {LONGEST} characters", "102")
    if len(details) != 1 and not (control == CANCELLED and not details):
        raise NotTakenError(f"{len(details)} segments OBR after ORC, and it must be one", "100")
    obr = details[0] if details else orc
    said = [each for each in _priorities(orc, obr, group) if each not in ("", NULL)]
    at = next((each for each in _times(orc, obr, group) if each[1] not in ("", NULL)), None)
    return Order(
        control=control,
        number=number,
        test=obr.part(4) if details else "",
        doctors=tuple(each for each in (orc.part(12), obr.part(16)) if each and each != NULL),
        at=moment(at[1], at[0], zone=zone) if at else None,
        urgent=any(each in URGENT for each in said) if said else None,
        comment="\n".join(_notes(obr, group)),
    )


def _times(orc: Segment, obr: Segment, group: Sequence[Segment]) -> list[tuple[str, str]]:
    """When it is to be made, then when it was ordered."""
    timing = [("TQ1-7", one.part(7)) for one in group if one.name == "TQ1"]
    return [
        *timing,
        ("OBR-36", obr.part(36)),
        ("OBR-27", obr.part(27, 4)),
        ("ORC-7", orc.part(7, 4)),
        ("ORC-15", orc.part(15)),
        ("ORC-9", orc.part(9)),
    ]


def _priorities(orc: Segment, obr: Segment, group: Sequence[Segment]) -> list[str]:
    timing = [one.part(9) for one in group if one.name == "TQ1"]
    return [*timing, orc.part(7, 6), obr.part(27, 6), obr.part(5)]


def _notes(obr: Segment, group: Sequence[Segment]) -> list[str]:
    reasons = [obr.part(13), obr.part(31, 2) or obr.part(31)] if obr.name == "OBR" else []
    notes = [*reasons, *(one.part(3) for one in group if one.name == "NTE")]
    return [each for each in notes if each not in ("", NULL)]


class Orders:
    """The orders of a RIS."""

    def __init__(self, ris: Ris, *, doctor: str | None) -> None:
        self._ris = ris
        self._doctor = doctor

    def intended(self, orders: Sequence[Order], patient: int | None) -> list[Act]:
        """What is to be done for each of them, given the patient's id; nothing is done yet.

        Args:
            patient: who it is for, if the RIS knows that patient.

        Raises:
            NotTakenError: one of them cannot be.
            NotNowError: the RIS does not answer.
        """
        numbers = [order.number for order in orders]
        if len(set(numbers)) != len(numbers):
            raise NotTakenError("two orders of the message have one number", "205")
        return [self._intended(order, patient) for order in orders]

    def _intended(self, order: Order, patient: int | None) -> Act:
        known = self._find(order.number)
        if known is not None and known["patient"] != patient:
            raise NotTakenError("the order's number is another patient's in the RIS", "205")
        if order.control == CANCELLED:
            return self._to_cancel(known)
        test, doctor = self._test(order.test), self._named(order.doctors)
        if known is None:
            return partial(self._make, order, test, doctor or self._default())
        if _is_cancelled(known):
            raise NotTakenError("the order was cancelled", "205")
        changed = _differing(order, test, doctor, known)
        if changed and known["state"] == DONE:
            raise NotTakenError("the order was carried out", "205")
        return partial(self._bring, known, changed)

    def _to_cancel(self, known: dict[str, Any] | None) -> Act:
        if known is None:
            raise NotTakenError("the order to be cancelled is not in the RIS", "204")
        if known["state"] == DONE:
            raise NotTakenError("the order was carried out", "205")
        if _is_cancelled(known):
            return lambda _: None
        said = "\n".join(each for each in (CANCELLED_HERE, known["comment"]) if each)
        return lambda _: self._ris.change(ORDER, [known["id"]], {"comment": said})

    def _find(self, number: str) -> dict[str, Any] | None:
        found = self._ris.search(ORDER, KNOWN, [["request", "=", number]])
        if len(found) > 1:
            raise NotTakenError(f"{len(found)} orders have this number in the RIS", "205")
        return found[0] if found else None

    def _test(self, code: str) -> int:
        if not code or code == NULL:
            raise missing("OBR-4, what is ordered,")
        found = self._ris.search("gnuhealth.imaging.test", ["id"], [["code", "=", code]])
        if len(found) != 1:
            told = f"{len(found)} imaging tests of the RIS have the code of OBR-4"
            raise NotTakenError(told, "204")
        return int(found[0]["id"])

    def _named(self, codes: Sequence[str]) -> int | None:
        for code in codes:
            of = [["code", "=", code]]
            found = self._ris.search("gnuhealth.healthprofessional", ["id"], of)
            if len(found) == 1:
                return int(found[0]["id"])
        return None

    def _default(self) -> int:
        doctor = self._named([self._doctor] if self._doctor else [])
        if doctor is None:
            raise NotTakenError("ORC-12 and OBR-16 name nobody whom the RIS knows by code", "204")
        return doctor

    def _make(self, order: Order, test: int, doctor: int, patient: int) -> None:
        at = order.at or datetime.now(UTC)
        values = {
            "request": order.number,
            "patient": patient,
            "requested_test": test,
            "doctor": doctor,
            "date": as_moment(at),
            "urgent": bool(order.urgent),
            "comment": order.comment or None,
        }
        self._ris.call(ORDER, "requested", [self._ris.create(ORDER, values)])

    def _bring(self, known: dict[str, Any], changed: dict[str, Any], _patient: int) -> None:
        self._ris.change(ORDER, [known["id"]], changed)
        if known["state"] == "draft":  # made, and cut off before it was requested
            self._ris.call(ORDER, "requested", [known["id"]])


def _differing(
    order: Order, test: int, doctor: int | None, known: dict[str, Any]
) -> dict[str, Any]:
    """What the message says otherwise than the RIS; what people wrote there stays."""
    said: dict[str, Any] = {"requested_test": test, "doctor": doctor, "urgent": order.urgent}
    said["date"] = as_moment(order.at) if order.at else None
    changed = {
        name: value for name, value in said.items() if value is not None and known[name] != value
    }
    written = known["comment"] or ""
    if order.comment and order.comment not in written:
        changed["comment"] = "\n".join(each for each in (written, order.comment) if each)
    return changed


def _is_cancelled(known: dict[str, Any]) -> bool:
    return str(known["comment"] or "").startswith(CANCELLED_HERE)

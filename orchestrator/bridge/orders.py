"""Orders of imaging in GNU Health, under the number of whoever placed them.

The placer's number is the order's number in the RIS, its accession number, and how it is found
again: the bridge keeps none of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from .order_message import CANCELLED, CANCELLED_HERE, NEW, Order
from .refusal import NotTakenError, missing
from .ris import ORDER, Ris, as_moment
from .segments import NULL

DONE = "done"
KNOWN = ("patient", "requested_test", "doctor", "date", "urgent", "comment", "state")
#: Does what was intended, for the patient of this id.
Act = Callable[[int], None]
#: An order as the RIS has it.
Known = dict[str, Any]


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
        return [act for order in orders for act in self._intended(order, patient)]

    def _intended(self, order: Order, patient: int | None) -> list[Act]:
        known, others = self._find(order.number, patient)
        if order.control == CANCELLED:
            return [self._to_cancel(one) for one in (known, *others)]
        # An answer that came too late may have let the RIS make an order twice.
        again = [self._to_cancel(one) for one in others if one["state"] != DONE]
        test, doctor = self._test(order.test), self._named(order.doctors)
        if known is None:
            return [partial(self._make, order, test, doctor or self._default())]
        if is_cancelled(known):
            raise NotTakenError("the order was cancelled", "205")
        changed = _differing(order, test, doctor, known)
        if order.control == NEW and "requested_test" in changed:
            raise NotTakenError("the number is another order's: XO changes an order", "205")
        if changed and known["state"] == DONE:
            raise NotTakenError("the order was carried out", "205")
        return [partial(self._bring, known, changed), *again]

    def _to_cancel(self, known: Known | None) -> Act:
        if known is None:
            raise NotTakenError("the order to be cancelled is not in the RIS", "204")
        if known["state"] == DONE:
            raise NotTakenError("the order was carried out", "205")
        if is_cancelled(known):
            return lambda _: None
        said = "\n".join(each for each in (CANCELLED_HERE, known["comment"]) if each)
        return lambda _: self._ris.change(ORDER, [known["id"]], {"comment": said})

    def _find(self, number: str, patient: int | None) -> tuple[Known | None, list[Known]]:
        """The order of this number, and others of the same; the oldest that is not cancelled."""
        found = self._ris.search(ORDER, KNOWN, [["request", "=", number]])
        if any(one["patient"] != patient for one in found):
            raise NotTakenError("the order's number is another patient's in the RIS", "205")
        found.sort(key=is_cancelled)
        return (found[0], found[1:]) if found else (None, [])

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
        values = {
            "request": order.number,
            "patient": patient,
            "requested_test": test,
            "doctor": doctor,
            "date": as_moment(order.at or order.ordered or datetime.now(UTC)),
            "urgent": bool(order.urgent),
            "comment": "\n".join(order.notes) or None,
        }
        self._ris.call(ORDER, "requested", [self._ris.create(ORDER, values)])

    def _bring(self, known: Known, changed: Known, _patient: int) -> None:
        self._ris.change(ORDER, [known["id"]], changed)
        if known["state"] == "draft":  # made, and cut off before it was requested
            self._ris.call(ORDER, "requested", [known["id"]])


def _differing(order: Order, test: int, doctor: int | None, known: Known) -> Known:
    """What the message says otherwise than the RIS; what people wrote there stays."""
    said: Known = {"requested_test": test, "doctor": doctor, "urgent": order.urgent}
    said["date"] = as_moment(order.at) if order.at else None
    changed = {
        name: value for name, value in said.items() if value is not None and known[name] != value
    }
    written = (known["comment"] or "").splitlines()
    if new := [line for line in order.notes if line not in written]:
        changed["comment"] = "\n".join([*written, *new])
    return changed


def is_cancelled(known: Known) -> bool:
    """Whether an order's comment has the line that says so, wherever people wrote."""
    return CANCELLED_HERE in str(known["comment"] or "").splitlines()

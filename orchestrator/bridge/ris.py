"""GNU Health as the bridge uses it: a session begun when needed, records by their fields."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

from orchestrator.wire.errors import Declined, WireError
from orchestrator.wire.tryton import Domain, Record, TrytonClient

from .refusal import NotNowError
from .settings import Ris as Where

ORDER = "gnuhealth.imaging.test.request"
#: The number of an order's study, where modules of GNU Health give one.
STUDY = "merge_id"
#: GNU Health 4 is on Tryton 6, and calls the person of a patient ``name``; 5 is on Tryton 7.
FIRST_WITH_PARTY = 7
UNAUTHORIZED = 401
TIMEOUT = 30.0
#: Seconds until a log-in that was refused is tried again: each makes the server slower.
BARRED = 60.0
#: Of records that may be inactive, all.
ANY = ["active", "in", [True, False]]


class Ris:
    """The RIS. Not for use by several threads."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._client = TrytonClient(where.url, database=where.database, timeout=TIMEOUT)
        self._is_in = False
        self._not_before = 0.0

    @cached_property
    def person(self) -> str:
        """The field of a patient that refers to the person."""
        with _as_told():
            series = int(self._client.version().partition(".")[0])
        return "party" if series >= FIRST_WITH_PARTY else "name"

    def numbers_studies(self) -> bool:
        """Whether orders have a study number of the RIS's own; asked anew, a change may bring it.

        Raises:
            NotNowError: the RIS does not say it.
        """
        return STUDY in self.call(ORDER, "fields_get", [STUDY])

    def call(self, model: str, method: str, *arguments: Any) -> Any:
        """A method of a model.

        Raises:
            NotNowError: the RIS does not answer, or refuses.
        """
        with _as_told():
            if not self._is_in:
                self._log_in()
            try:
                return self._client.call(model, method, *arguments)
            except Declined as declined:
                if declined.status != UNAUTHORIZED:
                    raise
            self._log_in()
            return self._client.call(model, method, *arguments)

    def search(
        self, model: str, fields: Sequence[str], domain: Domain, *, limit: int | None = None
    ) -> list[Record]:
        """The records that a search finds, by id.

        Raises:
            NotNowError: the RIS does not answer, or refuses.
        """
        order = [["id", "ASC"]]
        found: list[Record] = self.call(model, "search_read", domain, 0, limit, order, list(fields))
        return found

    def create(self, model: str, values: dict[str, Any]) -> int:
        """A new record's id."""
        (made,) = self.call(model, "create", [values])
        return int(made)

    def change(self, model: str, ids: Sequence[int], values: dict[str, Any]) -> None:
        """Write these fields of these records; nothing is asked where there is nothing to write."""
        if ids and values:
            self.call(model, "write", list(ids), values)

    def _log_in(self) -> None:
        self._is_in = False
        if time.monotonic() < self._not_before:
            raise NotNowError(f"the RIS does not let {self._where.user} in")
        try:
            self._client.log_in(self._where.user, self._where.password)
        except Declined as declined:
            if declined.status == UNAUTHORIZED:
                self._not_before = time.monotonic() + BARRED
            raise
        self._is_in = True
        self.__dict__.pop("person", None)  # it may have been changed meanwhile


@contextmanager
def _as_told() -> Iterator[None]:
    try:
        yield
    except WireError as error:
        raise NotNowError(str(error)) from None


def as_day(of: date | None) -> dict[str, Any] | None:
    """A date in JSON-RPC."""
    if of is None:
        return None
    return {"__class__": "date", "year": of.year, "month": of.month, "day": of.day}


def as_moment(of: datetime) -> dict[str, Any]:
    """A time in JSON-RPC; the RIS keeps UTC."""
    at = of.astimezone(UTC)
    clock = {"hour": at.hour, "minute": at.minute, "second": at.second, "microsecond": 0}
    return {"__class__": "datetime", "year": at.year, "month": at.month, "day": at.day} | clock


def moment(of: dict[str, Any]) -> datetime:
    """A time that the RIS gave."""
    clock = timedelta(hours=of["hour"], minutes=of["minute"], seconds=of["second"])
    return datetime(of["year"], of["month"], of["day"], tzinfo=UTC) + clock


def day(of: dict[str, Any] | None) -> date | None:
    """A date that the RIS gave."""
    return date(int(of["year"]), int(of["month"]), int(of["day"])) if of else None

"""A DICOM client: echo, find, store, get and move, each either done or a ``WireError``.

Holds one association at a time and keeps it while it serves: a PACS has few places, and the clinic
needs them. Returning means that the peer said *success*; a warning status is a failure here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pynetdicom import build_context, build_role
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from orchestrator.wire.association import (
    PENDING,
    SUCCESS,
    Peer,
    answer,
    answers,
    open_association,
)
from orchestrator.wire.errors import Declined, Garbled, WireError
from orchestrator.wire.objects import StoredObject
from orchestrator.wire.receiver import received

Level = Literal["STUDY", "SERIES", "IMAGE"]

VERIFICATION = "1.2.840.10008.1.1"
#: Study Root Query/Retrieve Information Model (PS3.4 annex C.6.2).
FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
#: Modality Worklist Information Model (PS3.4 annex K).
WORKLIST = "1.2.840.10008.5.1.4.31"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
#: What we take as it is stored, one presentation context each: nothing has to be transcoded.
SYNTAXES = (
    EXPLICIT,
    IMPLICIT,
    "1.2.840.10008.1.2.5",  # RLE lossless
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.1.99",  # deflated
    "1.2.840.10008.1.2.2",  # explicit big endian
)
#: An association has at most 128 presentation contexts (PS3.8 section 9.3.2.2); one is C-GET's own.
MOST_CONTEXTS = 127


@dataclass(frozen=True)
class Retrieved:
    """What a C-GET brought, and how long it took in seconds, association not counted."""

    objects: tuple[StoredObject, ...]
    seconds: float


class DicomClient:
    """Talks to one peer. Not for use by several threads."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._association: Association | None = None
        self._offered: frozenset[tuple[str, str]] = frozenset()
        self._inbox: list[StoredObject] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the association, if there is one."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.release()

    def echo(self) -> None:
        """C-ECHO (PS3.7 section 9.1.5).

        Raises:
            WireError: it was not answered with success.
        """
        association = self._with([build_context(VERIFICATION, IMPLICIT)])
        status = self._one("C-ECHO", association.send_c_echo)
        self._require(status, "C-ECHO")

    def find(self, level: Level, keys: Mapping[str, str]) -> tuple[Dataset, ...]:
        """C-FIND in the study root. ``keys``: keyword to value, empty where any will do.

        Raises:
            WireError: no answer, or none that says that these are all.
        """
        return self._found(self._with(_services()), _identifier(level, keys), FIND)

    def worklist(self, keys: Mapping[str, str], step: Mapping[str, str]) -> tuple[Dataset, ...]:
        """C-FIND in the modality worklist (PS3.4 annex K). ``step``: of the scheduled step.

        Raises:
            WireError: no answer, or none that says that these are all.
        """
        association = self._with([build_context(WORKLIST, [EXPLICIT, IMPLICIT])])
        query, scheduled = Dataset(), Dataset()
        for of, given in ((query, keys), (scheduled, step)):
            for keyword, value in given.items():
                setattr(of, keyword, value)
        query.ScheduledProcedureStepSequence = Items([scheduled])
        return self._found(association, query, WORKLIST)

    def _found(self, association: Association, query: Dataset, model: str) -> tuple[Dataset, ...]:
        found: list[Dataset] = []
        with self._dropping():
            for status, identifier in answers(
                self.peer, "C-FIND", lambda: association.send_c_find(query, model)
            ):
                if int(status.Status) not in PENDING:
                    self._require(int(status.Status), "C-FIND")
                elif identifier is None:
                    raise Garbled(f"{self.peer} sent a match that cannot be read")
                else:
                    found.append(identifier)
        return tuple(found)

    def store(self, objects: Sequence[StoredObject]) -> None:
        """C-STORE each object in its own transfer syntax.

        Raises:
            WireError: one of them was not acknowledged with success; the rest was not sent.
        """
        kinds = sorted({(o.sop_class, o.transfer_syntax) for o in objects})
        association = self._with([build_context(*kind) for kind in kinds])
        for stored in objects:
            dataset = stored.dataset()
            status = self._one("C-STORE", partial(association.send_c_store, dataset))
            self._require(status, "C-STORE")

    def get(self, level: Level, keys: Mapping[str, str], *, classes: Sequence[str]) -> Retrieved:
        """C-GET what ``keys`` name, objects of the SOP ``classes`` only.

        Raises:
            WireError: not everything that the peer announced came here.
        """
        association = self._with(_storage(classes), retrieve=True)
        query = _identifier(level, keys)
        self._inbox.clear()
        began = time.monotonic()
        final = self._last("C-GET", lambda: association.send_c_get(query, GET))
        seconds = time.monotonic() - began
        objects = tuple(self._inbox)
        self._require_all(final, len(objects), "C-GET")
        return Retrieved(objects=objects, seconds=seconds)

    def move(self, level: Level, keys: Mapping[str, str], *, destination: str) -> int:
        """C-MOVE to the AE ``destination``. Gives the number of objects that the peer says it sent.

        Raises:
            WireError: the peer did not say that all of them were sent.
        """
        association = self._with(_services())
        query = _identifier(level, keys)
        final = self._last("C-MOVE", lambda: association.send_c_move(query, destination, MOVE))
        done = final.get("NumberOfCompletedSuboperations")
        self._require_all(final, None, "C-MOVE")
        if done is None:
            raise Garbled(f"{self.peer} does not say how many objects its C-MOVE sent")
        return int(done)

    def _with(
        self, contexts: Sequence[PresentationContext], *, retrieve: bool = False
    ) -> Association:
        """An association with these contexts: the open one if it has them, else a new one."""
        wanted = frozenset(
            (str(c.abstract_syntax), str(syntax)) for c in contexts for syntax in c.transfer_syntax
        )
        if (
            self._association is not None
            and self._association.is_established
            and wanted <= self._offered
        ):
            return self._association
        self.close()
        roles = (
            [build_role(c, scp_role=True) for c in sorted({a for a, _ in wanted} - {GET})]
            if retrieve
            else []
        )
        self._association = open_association(
            self.peer, contexts, roles=roles, on_store=self._keep if retrieve else None
        )
        self._offered = wanted
        return self._association

    def _keep(self, event: Any) -> int:
        self._inbox.append(received(event))
        return SUCCESS

    def _one(self, what: str, ask: Callable[[], Dataset]) -> int:
        with self._dropping():
            return answer(self.peer, what, ask)

    def _last(
        self, what: str, ask: Callable[[], Iterator[tuple[Dataset, Dataset | None]]]
    ) -> Dataset:
        with self._dropping():
            *_, (final, _failed) = answers(self.peer, what, ask)
            return final

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except WireError:
            self._drop()
            raise

    def _drop(self) -> None:
        """Forget an association that went wrong: its next answer may be a late one."""
        association, self._association = self._association, None
        if association is not None and association.is_established:
            association.abort()

    def _require(self, status: int, what: str) -> None:
        if status != SUCCESS:
            raise Declined(f"{self.peer} answers {what} with {status:#06x}", status=status)

    def _require_all(self, final: Dataset, came: int | None, what: str) -> None:
        self._require(int(final.Status), what)
        failed = int(final.get("NumberOfFailedSuboperations") or 0)
        if failed:
            raise Garbled(f"{self.peer} says success to {what}, and that {failed} objects failed")
        done = final.get("NumberOfCompletedSuboperations")
        if came is not None and done is not None and int(done) != came:
            raise Garbled(f"{self.peer} says that {what} sent {int(done)} objects, {came} came")


def _services() -> list[PresentationContext]:
    syntaxes = [EXPLICIT, IMPLICIT]
    return [
        build_context(VERIFICATION, syntaxes),
        build_context(FIND, syntaxes),
        build_context(MOVE, syntaxes),
    ]


def _storage(classes: Sequence[str]) -> list[PresentationContext]:
    each = [
        build_context(sop_class, syntax)
        for syntax in SYNTAXES
        for sop_class in sorted(set(classes))
    ]
    return [build_context(GET, [EXPLICIT, IMPLICIT]), *each[:MOST_CONTEXTS]]


def _identifier(level: Level, keys: Mapping[str, str]) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query

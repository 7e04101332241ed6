"""Giving back: everything parked goes to the product, in order, and its answers are written down.

Again does no harm: what has an outcome is passed by. What the product will not have is set aside
by name and stays where it is. A product that cannot be spoken to, or has no room, ends the pass:
that is no fault of an item.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pynetdicom import _config, build_context
from pynetdicom.association import Association

from . import mllp, mpps
from .client import CannotError, opened
from .contexts import LARGEST, MPPS
from .digest import digest
from .settings import Settings
from .store import HL7, MPPS_CREATE, MPPS_SET, OBJECT, SET_ASIDE, STORED, Item, Outcome, Store

_config.STORE_SEND_CHUNKED_DATASET = True  # objects go out as they lie on the disk
T = TypeVar("T")
#: How often the product is asked again, and the pause between, in seconds.
TRIES, PAUSE = 5, 1.0
#: Objects given over one association.
TOGETHER = 500
#: Seconds until an HL7 listener must have answered.
PATIENCE = 30.0


@dataclass(frozen=True)
class Header:
    """What must be known of an object to offer it. ``digest``: of its data set's bytes."""

    sop_class: str
    uid: str
    syntax: str


class BusyError(Exception):
    """The product cannot take this now; ``str`` says why."""


@dataclass
class Replay:
    """One pass over what is parked. ``sleep`` is passed in, so that tests need not wait."""

    settings: Settings
    store: Store
    sleep: Callable[[float], None] = time.sleep
    _seen: dict[str, str] = field(default_factory=dict)

    def run(self) -> int:
        """Give back what has no outcome yet: HL7 first, then the rest; how many items.

        Raises:
            CannotError: the product cannot be spoken to; what was given has its outcome.
        """
        known = self.store.outcomes()
        items = list(self.store.items())
        waiting = [one for one in items if one.number not in known]
        messages = [one for one in waiting if one.kind == HL7]
        if any(one.kind == OBJECT for one in waiting):
            self._remember(
                [i for i in items if i.number in known and known[i.number].state == STORED]
            )
        for one in messages:
            self._until_taken(partial(self._message, one))
        rest = [one for one in waiting if one.kind in (OBJECT, MPPS_CREATE, MPPS_SET)]
        for (caller, is_object), group in groupby(rest, key=lambda i: (i.source, i.kind == OBJECT)):
            give = self._objects if is_object else self._steps
            for some in _parts(list(group), TOGETHER):
                self._until_taken(partial(give, caller, some))
        return len(messages) + len(rest)

    def _until_taken(self, give: Callable[[], None]) -> None:
        for attempt in range(1, TRIES + 1):
            because = _failure(give)
            if not because:
                return
            if attempt == TRIES:
                raise CannotError(because)
            self.sleep(PAUSE * attempt)

    def _message(self, item: Item) -> None:
        where = ("127.0.0.1", int(item.source))
        try:
            code, text = mllp.answer_to(where, item.path.read_bytes(), timeout=PATIENCE)
        except OSError as error:
            raise CannotError(f"HL7 at port {item.source}: {error}") from None
        except mllp.BrokenError as broken:
            raise BusyError(f"HL7 at port {item.source}: {broken}") from None
        if code in ("AE", "CE"):
            raise BusyError(f"HL7 at port {item.source} answers {code}")
        is_taken = code in ("AA", "CA")
        said = "" if is_taken else f"{code} {text}"[:200]
        self.store.settle(item, Outcome(STORED if is_taken else SET_ASIDE, said))

    def _objects(self, caller: str, items: Sequence[Item]) -> None:
        settled = self.store.outcomes()
        headers = self._headers([one for one in items if one.number not in settled])
        wanted: set[tuple[str, str]] = {(h.sop_class, h.syntax) for _, h in headers}
        for some in _parts(sorted(wanted), LARGEST):
            contexts = [build_context(name, syntax) for name, syntax in some]
            mine = [(i, h) for i, h in headers if (h.sop_class, h.syntax) in set(some)]
            with opened(self.settings, contexts, caller=caller) as association:
                for item, header in mine:
                    self._object(association, item, header)

    def _headers(self, items: Iterable[Item]) -> list[tuple[Item, Header]]:
        found = []
        for item in items:
            header = _header(item.path)
            if header is None:
                self.store.settle(item, Outcome(SET_ASIDE, "it cannot be read"))
                continue
            found.append((item, header))
        return found

    def _object(self, association: Association, item: Item, header: Header) -> None:
        taken = {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
        if (header.sop_class, header.syntax) not in taken:
            because = (
                f"{header.uid}: the product does not take {header.sop_class} in {header.syntax}"
            )
            self.store.settle(item, Outcome(SET_ASIDE, because))
            return
        own = digest(item.path)
        if self._seen.get(header.uid, own) != own:
            because = f"{header.uid}: another object with this UID was parked before"
            self.store.settle(item, Outcome(SET_ASIDE, because))
            return
        code = _code(association.send_c_store(item.path))
        if _is_taken(code):
            self._seen[header.uid] = own
            self.store.settle(item, Outcome(STORED, header.uid))
        elif code >> 8 == 0xA7:  # out of resources
            raise BusyError(f"the product answers {code:#06x}: out of resources")
        else:
            self.store.settle(item, Outcome(SET_ASIDE, f"{header.uid}: status {code:#06x}"))

    def _remember(self, items: Sequence[Item]) -> None:
        """What was given in a former pass."""
        for item in items:
            if item.kind == OBJECT and (header := _header(item.path)) is not None:
                self._seen[header.uid] = digest(item.path)

    def _steps(self, caller: str, items: Sequence[Item]) -> None:
        settled = self.store.outcomes()
        items = [one for one in items if one.number not in settled]
        syntaxes = sorted({mpps.read(one.path)[1] for one in items})
        with opened(self.settings, [build_context(MPPS, syntaxes)], caller=caller) as association:
            for item in items:
                self._step(association, item)

    def _step(self, association: Association, item: Item) -> None:
        uid, _, dataset = mpps.read(item.path)
        if not association.accepted_contexts:
            self.store.settle(item, Outcome(SET_ASIDE, f"{uid}: the product takes no MPPS"))
            return
        send = association.send_n_create if item.kind == MPPS_CREATE else association.send_n_set
        code = _code(send(dataset, MPPS, uid)[0])
        state = STORED if code == 0 or 0x0100 < code < 0x0110 else SET_ASIDE
        self.store.settle(item, Outcome(state, uid if state == STORED else f"{uid}: {code:#06x}"))


def _failure(give: Callable[[], None]) -> str:
    """Why the product did not take it now; nothing if it did, or will never."""
    try:
        give()
    except (BusyError, CannotError) as error:
        return str(error) or type(error).__name__
    return ""


def _parts(whole: Sequence[T], size: int) -> Iterable[list[T]]:
    for start in range(0, len(whole), size):
        yield list(whole[start : start + size])


def _header(path: Path) -> Header | None:
    try:
        meta = dcmread(path, specific_tags=[], stop_before_pixels=True).file_meta
        return Header(
            str(meta.MediaStorageSOPClassUID),
            str(meta.MediaStorageSOPInstanceUID),
            str(meta.TransferSyntaxUID),
        )
    except (InvalidDicomError, AttributeError, ValueError, OSError):
        return None


def _code(answer: object) -> int:
    """A response's status; no response is none.

    Raises:
        CannotError: nothing came back.
    """
    status = getattr(answer, "Status", None)
    if status is None:
        raise CannotError("the product did not answer")
    return int(status)


def _is_taken(code: int) -> bool:
    """Success, and warnings that it was stored with something coerced (PS3.4 table B.2-1)."""
    return code == 0x0000 or code in (0xB000, 0xB006, 0xB007)

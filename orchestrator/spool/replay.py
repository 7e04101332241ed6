"""Giving back: everything parked goes to the product, in order, and its answers are written down.

Again does no harm: what has an outcome is passed by. What the product will not have is set aside
by name and stays where it is. What it has no room for now is passed over and waits for another
pass. A product that cannot be spoken to ends the pass: that is no fault of an item.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from pynetdicom import _config, build_context
from pynetdicom.association import Association

from . import messages, mpps
from .arrival import reason
from .client import CannotError, NoneTakenError, RejectedError, opened
from .contexts import LARGEST, MPPS
from .objects import Header, digest, header
from .settings import Settings
from .store import HL7, MPPS_CREATE, MPPS_SET, OBJECT, SET_ASIDE, STORED, Item, Outcome, Store

T = TypeVar("T")
#: How often the product is asked again, and the pause between, in seconds.
TRIES, PAUSE = 5, 1.0
#: Objects given over one association.
TOGETHER = 500
#: PS3.7 annex C: a step of this UID is there already, so it was given before a power cut.
DUPLICATE = 0x0111


@dataclass
class Replay:
    """One pass over what is parked. ``sleep`` is passed in, so that tests need not wait.

    ``because``: why something waits for another pass, the last reason.
    """

    settings: Settings
    store: Store
    sleep: Callable[[float], None] = time.sleep
    because: str = ""
    _settled: set[int] = field(default_factory=set)
    _first: dict[str, Item] = field(default_factory=dict)

    def run(self) -> int:
        """Give back what has no outcome yet: HL7 first, then the rest; how many have one now.

        Raises:
            CannotError: the product cannot be spoken to; what was given has its outcome.
        """
        _config.STORE_SEND_CHUNKED_DATASET = True  # objects go out as they lie on the disk
        known = self.store.outcomes()
        self._settled = set(known)
        items = list(self.store.items())
        waiting = [one for one in items if one.number not in known]
        self._messages([one for one in waiting if one.kind == HL7])
        if any(one.kind == OBJECT for one in waiting):
            refused = {number for number, outcome in known.items() if outcome.state == SET_ASIDE}
            self._first = _first_of_each(one for one in items if one.number not in refused)
        rest = [one for one in waiting if one.kind in (OBJECT, MPPS_CREATE, MPPS_SET)]
        for attempt in range(1, TRIES + 1):
            self._give(rest)
            rest = self._without_outcome(rest)
            if not rest or attempt == TRIES:
                break
            self.sleep(PAUSE * attempt)
        return len(self.store.outcomes()) - len(known)

    def _give(self, items: Iterable[Item]) -> None:
        """AE by AE, each one's items in the order in which it sent them."""
        by_service = groupby(
            sorted(items, key=lambda one: (one.source, one.number)),
            key=lambda one: (one.source, one.kind == OBJECT),
        )
        for (caller, is_object), group in by_service:
            give = self._objects if is_object else self._steps
            for some in _parts(list(group), TOGETHER):
                self._until_heard(partial(give, caller, some))

    def _without_outcome(self, items: Iterable[Item]) -> list[Item]:
        return [one for one in items if one.number not in self._settled]

    def _settle(self, item: Item, outcome: Outcome) -> None:
        """What cannot be written down is given once more in another pass, which does no harm."""
        try:
            self.store.settle(item, outcome)
        except OSError as error:
            self.because = f"what became of an item could not be written down: {reason(error)}"
        self._settled.add(item.number)

    def _messages(self, items: Sequence[Item]) -> None:
        """One that is given and cannot be written down is the last: orders do not come twice."""
        try:
            messages.give(self.store, items, sleep=self.sleep)
        except OSError as error:
            self.because = f"what became of a message could not be written down: {reason(error)}"

    def _until_heard(self, give: Callable[[], None]) -> None:
        for attempt in range(1, TRIES + 1):
            error = _unheard(give)
            if error is None:
                return
            if isinstance(error, RejectedError):  # no fault of others; theirs waits
                self.because = str(error)
                return
            if attempt == TRIES:
                raise error
            self.sleep(PAUSE * attempt)

    def _objects(self, caller: str, items: Sequence[Item]) -> None:
        headers = self._headers(self._without_outcome(items))
        wanted: set[tuple[str, str]] = {(h.sop_class, h.syntax) for _, h in headers}
        for some in _parts(sorted(wanted), LARGEST):
            contexts = [build_context(name, syntax) for name, syntax in some]
            mine = [(i, h) for i, h in headers if (h.sop_class, h.syntax) in set(some)]
            try:
                with opened(self.settings, contexts, caller=caller) as association:
                    for item, head in mine:
                        self._object(association, item, head)
            except NoneTakenError:
                for item, head in mine:
                    self._settle(item, _not_taken(head))

    def _headers(self, items: Iterable[Item]) -> list[tuple[Item, Header]]:
        found = []
        for item in items:
            head = header(item.path)
            if head is None:
                self._settle(item, Outcome(SET_ASIDE, "it cannot be read"))
                continue
            found.append((item, head))
        return found

    def _object(self, association: Association, item: Item, head: Header) -> None:
        taken = {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
        if (head.sop_class, head.syntax) not in taken:
            self._settle(item, _not_taken(head))
            return
        first = self._first[head.uid]
        if first != item and digest(first.path) != digest(item.path):
            because = f"{head.uid}: another object with this UID was parked before"
            self._settle(item, Outcome(SET_ASIDE, because))
            return
        code = _status(association, partial(association.send_c_store, item.path))
        if _is_taken(code):
            self._settle(item, Outcome(STORED, head.uid))
        elif code >> 8 == 0xA7:  # out of resources: another time
            self.because = f"the product answers {code:#06x}: out of resources"
        else:
            self._settle(item, Outcome(SET_ASIDE, f"{head.uid}: status {code:#06x}"))

    def _steps(self, caller: str, items: Sequence[Item]) -> None:
        items = self._without_outcome(items)
        syntaxes = sorted({mpps.read(one.path)[1] for one in items})
        context = build_context(MPPS, syntaxes)
        try:
            with opened(self.settings, [context], caller=caller) as association:
                for item in items:
                    self._step(association, item)
        except NoneTakenError:
            for item in items:
                because = f"{mpps.read(item.path)[0]}: the product takes no MPPS"
                self._settle(item, Outcome(SET_ASIDE, because))

    def _step(self, association: Association, item: Item) -> None:
        uid, _, dataset = mpps.read(item.path)
        is_new = item.kind == MPPS_CREATE
        send = association.send_n_create if is_new else association.send_n_set
        code = _status(association, lambda: send(dataset, MPPS, uid)[0])
        is_taken = code == 0 or 0x0100 < code < 0x0110 or (is_new and code == DUPLICATE)
        state = STORED if is_taken else SET_ASIDE
        self._settle(item, Outcome(state, uid if is_taken else f"{uid}: {code:#06x}"))


def _not_taken(head: Header) -> Outcome:
    because = f"{head.uid}: the product does not take {head.sop_class} in {head.syntax}"
    return Outcome(SET_ASIDE, because)


def _unheard(give: Callable[[], None]) -> CannotError | None:
    """Why the product could not be spoken to; nothing if it could."""
    try:
        give()
    except CannotError as error:
        return error
    return None


def _first_of_each(items: Iterable[Item]) -> dict[str, Item]:
    """By UID, the object that came first."""
    found: dict[str, Item] = {}
    for one in items:
        if one.kind == OBJECT and (head := header(one.path)) is not None:
            found.setdefault(head.uid, one)
    return found


def _parts(whole: Sequence[T], size: int) -> Iterable[list[T]]:
    for start in range(0, len(whole), size):
        yield list(whole[start : start + size])


def _status(association: Association, send: Callable[[], Any]) -> int:
    """A response's status; no response is none.

    Raises:
        CannotError: nothing came back.
    """
    try:
        answer = send() if association.is_established else None
    except RuntimeError:  # it ended just now
        answer = None
    status = getattr(answer, "Status", None)
    if status is None:
        raise CannotError("the product ended the association, or did not answer")
    return int(status)


def _is_taken(code: int) -> bool:
    """Success, and warnings that it was stored with something coerced (PS3.4 table B.2-1)."""
    return code == 0x0000 or code in (0xB000, 0xB006, 0xB007)

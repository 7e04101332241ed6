"""HL7 messages given to the product in their order, port by port; each has its answer, or waits.

AR is final: the message is set aside by name. AE may be of the moment: it is sent again, and passed
over after some attempts. Where a later message is taken, the fault is the message's, and it is set
aside, for later it would come out of order. Where several in a row are not taken the fault is the
product's: its queue stops, and goes on in another pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from orchestrator.wire import mllp

from .client import CannotError
from .store import SET_ASIDE, STORED, Item, Outcome, Store

#: How often a message is sent, and the pause between, in seconds.
TRIES, PAUSE = 5, 1.0
#: So many that are not taken, one after the other, are the product's fault.
IN_A_ROW = 3
#: Seconds until a listener must have answered.
PATIENCE = 30.0
TAKEN, AGAIN = ("AA", "CA"), ("AE", "CE", "")


def give(store: Store, items: Sequence[Item], *, sleep: Callable[[float], None]) -> None:
    """Give them to the ports that they were sent to.

    Raises:
        CannotError: nobody listens there.
    """
    by_port = sorted(items, key=lambda one: (one.source, one.number))
    for _, queue in groupby(by_port, key=lambda one: one.source):
        _queue(store, list(queue), sleep)


def _queue(store: Store, items: Sequence[Item], sleep: Callable[[float], None]) -> None:
    passed_over: list[tuple[Item, str]] = []
    for item in items:
        code, said = _persistently(item, sleep)
        if code in AGAIN:
            passed_over.append((item, said))
            if len(passed_over) == IN_A_ROW:
                return
            continue
        for other, because in passed_over:
            store.settle(other, Outcome(SET_ASIDE, because))
        passed_over = []
        is_taken = code in TAKEN
        store.settle(item, Outcome(STORED if is_taken else SET_ASIDE, "" if is_taken else said))


def _persistently(item: Item, sleep: Callable[[float], None]) -> tuple[str, str]:
    """The last answer to it: its code, and the same with the control id in words.

    The code is empty where what came back acknowledges nothing.
    """
    where, message = ("127.0.0.1", int(item.source)), item.path.read_bytes()
    control, code = mllp.control_id(message), ""
    said = unheard = ""
    for attempt in range(1, TRIES + 1):
        if attempt > 1:
            sleep(PAUSE * attempt)
        try:
            code, unheard = mllp.answer_to(where, message, timeout=PATIENCE), ""
        except OSError as error:
            unheard = f"HL7 at port {item.source}: {error}"
            continue
        except mllp.BrokenError as broken:
            code, said = "", f"{control}: {broken}"
            continue
        said = f"{control}: answered {code}"
        if code not in AGAIN:
            return code, said
    if unheard:
        raise CannotError(unheard)
    return code, said

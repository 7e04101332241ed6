"""The command line: ``wardship-spool VERB DIRECTORY``, one JSON object on standard output.

Exit codes: 0 done, 1 not (the reason is in the object), 64 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import VERSION, commitment, contexts, listener, server, worklist
from .client import CannotError
from .contexts import WORKLIST
from .replay import Replay
from .settings import load
from .status import status
from .store import COMMITMENT, SET_ASIDE, STORED, Item, Outcome, Store

#: Between two attempts to deliver what is left, in seconds; it grows to the second.
SOON, LATER = 2.0, 60.0
#: For so long the product may have no room for an object that it is given; then it is set aside.
PATIENCE = 24 * 3600.0


def learn(directory: Path) -> dict[str, Any]:
    """What the product takes, and its worklist; asked while it runs and its door is open."""
    settings = load(directory)
    learned = contexts.learn(settings)
    contexts.keep(directory, learned)
    told: dict[str, Any] = {"contexts": sum(map(len, learned.contexts.values()))}
    if WORKLIST in learned.contexts:
        try:
            told["worklist"] = worklist.export(settings, caller=learned.callers[0])
        except CannotError as error:
            told["no_worklist"] = str(error)
    return told


def serve(directory: Path) -> dict[str, Any]:
    """Park, until SIGTERM."""
    settings = load(directory)
    store = Store(directory, quota=settings.quota)
    store.open()
    # Held back in every thread that is started from here on: it is waited for in one place.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    listening = server.start(settings, contexts.kept(directory), store)
    lines = [listener.start(store, one.spool_port, source=str(one.port)) for one in settings.mllp]
    signal.sigwait({signal.SIGTERM})
    listening.shutdown()
    for one in lines:
        one.shutdown()
    return {}


def replay(directory: Path) -> dict[str, Any]:
    """Give back what is parked, once."""
    settings = load(directory)
    given = Replay(settings, Store(directory, quota=settings.quota)).run()
    return {"given": given, **status(directory)}


def deliver(directory: Path) -> dict[str, Any]:
    """Give back what is left and report what was asked, until nothing is left to do."""
    settings = load(directory)
    store, pause = Store(directory, quota=settings.quota), SOON
    began = time.monotonic()
    while True:
        is_patient = time.monotonic() - began < PATIENCE
        left = _deliver_once(store, Replay(settings, store), is_patient=is_patient)
        if not left:
            return status(directory)
        print(json.dumps({"left": left}), file=sys.stderr, flush=True)
        time.sleep(pause)
        pause = min(pause * 2, LATER)


def _deliver_once(store: Store, giving: Replay, *, is_patient: bool) -> list[str]:
    """Why something is left, a sentence each."""
    left = []
    try:
        giving.run()
    except CannotError as error:
        left.append(str(error))
    else:
        for item in () if is_patient else _items_waiting(store):
            store.settle(item, Outcome(SET_ASIDE, "the product had no room for it for a day"))
    if count := len(_items_waiting(store)):
        left.append(f"{count} items are not taken yet: {giving.because or 'the last answers'}")
    asked = [one for one in store.waiting() if one.kind == COMMITMENT]
    held = _held(store.directory) if asked else frozenset()
    for item in asked:
        because = "there is no census yet" if held is None else _reported(giving, item, held)
        if because:
            left.append(because)
        else:
            store.settle(item, Outcome(STORED))
    return left


def _items_waiting(store: Store) -> list[Item]:
    return [one for one in store.waiting() if one.kind != COMMITMENT]


def _reported(giving: Replay, item: Item, held: frozenset[str]) -> str:
    """Why whoever asked for commitment could not be told; nothing if he was."""
    try:
        commitment.send(giving.settings, item, held)
    except CannotError as error:
        return str(error) or type(error).__name__
    return ""


def _held(directory: Path) -> frozenset[str] | None:
    """The UIDs of all objects of the product that stays, as the host program counted them."""
    try:
        return frozenset((directory / "held").read_text(encoding="ascii").split())
    except FileNotFoundError:
        return None


VERBS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "learn": learn,
    "serve": serve,
    "replay": replay,
    "deliver": deliver,
    "status": status,
    "version": lambda _: {"version": VERSION},
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; the exit code."""
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog="wardship-spool", description="See docs/parking.md.")
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("directory", type=Path)
    given = parser.parse_args(argv)
    try:
        print(json.dumps(VERBS[given.verb](given.directory), sort_keys=True))
    except (CannotError, OSError, ValueError, KeyError, TypeError) as error:
        print(json.dumps({"failed": given.verb, "because": f"{type(error).__name__}: {error}"}))
        return 1
    return 0


def entry() -> None:
    """Where the one file begins."""
    raise SystemExit(main())

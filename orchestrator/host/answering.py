"""The unit that answers members, one for every change that this host is the anchor of.

It reads key and records anew for each question, so it may outlive a change, a stage that is done
again, and a boot. It takes its leave when nobody is left who would ask.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from typing import Any, Dict

from . import anchor, watch, word
from .change import Change, everything, load, own_facts
from .host import Host
from .locks import locked
from .outcome import FailedError, RefusedError
from .records import Record

#: How long a change that never began is answered for, in seconds since it was asked to be.
UNBEGUN = 7200.0
#: How often the unit looks whether anybody is left to answer, in seconds.
LOOK = 1.0
#: How long the unit may take until it answers, in seconds.
STARTING = 10.0
#: How many talk at once: who comes beside them is sent away, so that nobody keeps out the members.
TALKERS = 16


def keep_all(host: Host) -> None:
    """After a boot: whoever may still ask is answered. Call it under the lock."""
    for change in everything(host):
        if anchor.is_awaited(change):
            with contextlib.suppress(FailedError):  # members then wait, and say so
                watch.answer(change)


def require(change: Change) -> None:
    """The unit answers; nothing where this host is no anchor. Call it without the lock.

    Raises:
        FailedError: it does not.
    """
    together, system = change.manifest.together, change.host.system
    if together is None or not change.is_anchor:
        return
    key, until = word.key_at(change.paths.key), system.monotonic() + STARTING
    told = {"change": change.id, "host": change.manifest.host}
    while because := word.silence("127.0.0.1", together.port, key, told):
        if system.monotonic() >= until:
            raise FailedError(because)
        system.sleep(0.2)


def serve(host: Host, port: int) -> Dict[str, Any]:
    """Answer until nobody is left who would ask."""
    with _Server(host, port) as server:
        while not takes_leave(host, port):
            server.answer_for(LOOK)
    return {"answered": port}


def takes_leave(host: Host, port: int) -> bool:
    """Whether nobody is left who would ask; nobody is then expected to be answered any more."""
    with locked(host.system, host.layout.lock):
        ours = [one for one in everything(host) if watch.port_of(one) == port]
        if any(anchor.is_awaited(one) or _may_begin(one) for one in ours):
            return False
        watch.leave_answering(host, port)
    return True


def _may_begin(change: Change) -> bool:
    """Whether it was prepared, or asked for, not long ago and has not begun."""
    since = watch.asked_to_answer(change)
    return (
        since is not None
        and not own_facts(change).has_begun
        and change.host.system.monotonic() - since < UNBEGUN
    )


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, host: Host, port: int) -> None:
        self.host = host
        self._room = threading.Semaphore(TALKERS)
        super().__init__(("", port), socketserver.BaseRequestHandler)

    def answer_for(self, seconds: float) -> None:
        """Answer whoever comes in so many seconds."""
        until = self.host.system.monotonic() + seconds
        while (left := until - self.host.system.monotonic()) > 0:
            self.timeout = left
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as inherited
        # Whoever is no member, or goes away, is not worth a word.
        with contextlib.suppress(FailedError, RefusedError, OSError):
            word.answer(request, self._key_of, self._hear)

    def _key_of(self, identifier: str) -> str:
        return word.key_at(load(self.host, identifier).paths.key)

    def _hear(self, told: Record) -> Record:
        return anchor.hear(load(self.host, str(told["change"])), told)

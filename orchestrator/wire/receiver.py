"""A small storage SCP: where a C-MOVE delivers to. Binds loopback only, keeps objects in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, evt

from orchestrator.wire.association import SUCCESS
from orchestrator.wire.errors import Silent
from orchestrator.wire.objects import StoredObject

#: Refused: out of resources (PS3.4 annex B.2.3). Said when a data set cannot be taken.
OUT_OF_RESOURCES = 0xA700


def received(event: Any) -> StoredObject:
    """The object that a C-STORE request carries."""
    return StoredObject(
        sop_class=str(event.request.AffectedSOPClassUID),
        sop_instance=str(event.request.AffectedSOPInstanceUID),
        transfer_syntax=str(event.context.transfer_syntax),
        data=event.request.DataSet.getvalue(),
    )


class Receiver:
    """Listens while the context lasts. ``syntaxes`` are the only transfer syntaxes it accepts."""

    def __init__(
        self, port: int, *, ae_title: str, sop_classes: Sequence[str], syntaxes: Sequence[str]
    ) -> None:
        self._objects: list[StoredObject] = []
        self._arrived = threading.Condition()
        self._entity = AE(ae_title=ae_title)
        self._entity.require_called_aet = True
        for sop_class in sop_classes:
            self._entity.add_supported_context(sop_class, list(syntaxes))
        self._address = ("127.0.0.1", port)
        self._server: Any = None

    def __enter__(self) -> Self:
        """Start listening.

        Raises:
            OSError: the port cannot be had.
        """
        self._server = self._entity.start_server(
            self._address, block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.server_close()
        threading.Thread(target=self._server.shutdown, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that is listened on (of use where 0 was asked for)."""
        return int(self._server.server_address[1])

    def _store(self, event: Any) -> int:
        try:
            arrived = received(event)
        except AttributeError:
            return OUT_OF_RESOURCES
        with self._arrived:
            self._objects.append(arrived)
            self._arrived.notify_all()
        return SUCCESS

    def take(self, count: int, *, timeout: float) -> tuple[StoredObject, ...]:
        """Everything that arrived, once it is at least ``count`` objects.

        A mover's final status may come before its last object does, so this waits.

        Raises:
            Silent: fewer arrived within ``timeout`` seconds.
        """
        until = time.monotonic() + timeout
        with self._arrived:
            while len(self._objects) < count:
                left = until - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    break
            got, self._objects = tuple(self._objects), []
        if len(got) < count:
            raise Silent(f"{len(got)} of {count} objects arrived within {timeout:.0f} s")
        return got

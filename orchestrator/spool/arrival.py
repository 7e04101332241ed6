"""An object that is coming in: on the disk as it comes, and let pass by where there is no room.

An association has to hear the whole of an object before it can answer. What there is no room for is
read to its end and not kept, so that its sender gets his answer and the disk is left alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, BinaryIO

from pynetdicom import _config, dimse_messages

from .store import FULL, Store


class Arriving:
    """What pynetdicom writes an object's data set to, in place of a NamedTemporaryFile.

    Writing raises nothing: an error in pynetdicom's reading thread would leave the sender waiting.
    ``lost``: why it is not kept; empty while it is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._size = 0
        self.path = store.incoming / f"{threading.get_ident()}-{time.monotonic_ns()}"
        self.name = str(self.path)
        self.lost = ""
        self._stream: BinaryIO | None = None
        try:
            self._stream = self.path.open("wb")
        except OSError as error:
            self._give_up(reason(error))

    @property
    def file(self) -> Arriving:
        """What there is to flush."""
        return self

    def write(self, content: bytes) -> None:
        if self._stream is None:
            return
        self._size += len(content)
        if not self._store.has_room(self._size):
            self._give_up(FULL)
            return
        try:
            self._stream.write(content)
        except OSError as error:
            self._give_up(reason(error))

    def flush(self) -> None:
        """What is written is with the kernel, or it is lost."""
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(reason(error))

    def close(self) -> None:
        self.flush()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def discard(self) -> None:
        """It was left half: nobody was told that it is kept."""
        self._give_up("left half")

    def _give_up(self, because: str) -> None:
        self.lost = because
        stream, self._stream = self._stream, None
        with contextlib.suppress(OSError):
            self.path.unlink()
        if stream is not None:
            with contextlib.suppress(OSError):  # what is in its buffer cannot be written either
                stream.close()


def reason(error: OSError) -> str:
    """Why a disk does not take what is to be kept; no path of ours."""
    return f"the disk refused: {error.strerror}"


def take_in(store: Store) -> None:
    """Let what pynetdicom reads arrive in this store, whichever association it comes from."""

    def arriving(**_: Any) -> Arriving:
        return Arriving(store)

    _config.STORE_RECV_CHUNKED_DATASET = True
    vars(dimse_messages)["NamedTemporaryFile"] = arriving

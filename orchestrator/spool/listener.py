"""HL7 v2 messages kept in order, acknowledged when they are on the disk.

AA is said for what is kept, AE for what cannot be kept just now, AR for what is no message (HL7
v2.5.1 section 2.9.2, original mode).
"""

from __future__ import annotations

import socketserver
from functools import partial

from orchestrator.wire import mllp

from .arrival import reason
from .store import FULL, HL7, FullError, Store


def start(store: Store, port: int, *, source: str) -> socketserver.ThreadingTCPServer:
    """Listen, in threads of its own; ``source`` names the product's port."""
    return mllp.listen(port, partial(_kept, store, source))


def _kept(store: Store, source: str, message: bytes) -> bytes:
    try:
        read_as = mllp.read(message)
    except mllp.BrokenError as broken:
        store.refused(source, HL7, because=str(broken))
        return mllp.NO_MESSAGE
    try:
        store.park_bytes(message, HL7, source=source)
    except FullError:
        because = FULL
    except OSError as error:
        because = reason(error)
    else:
        return mllp.acknowledged(read_as, "AA", "")
    store.refused(source, HL7, because=because, uid=mllp.control_id(message))
    return mllp.acknowledged(read_as, "AE", because)

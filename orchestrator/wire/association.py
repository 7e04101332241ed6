"""Opening a DICOM association, and saying precisely why one did not open or did not last.

pynetdicom gives an empty data set where nobody answered, and leaves flags where an association
ended. Here each of these is an exception with a meaning: nobody can take silence for success.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from orchestrator.wire.errors import (
    Cut,
    NotConnected,
    NotOffered,
    NotSecure,
    Rejected,
    Silent,
    WireError,
)
from orchestrator.wire.tls import Tls, client_context, meaning, noting, speaks_tls

_config.LOG_HANDLER_LEVEL = "none"
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

SUCCESS = 0x0000
#: PS3.8 section 9.3.4: a rejection that may be another answer in a moment.
REJECTED_TRANSIENT = 0x02
#: How long a peer that has no place just now is asked again, in seconds.
BUSY = 1.0
#: Statuses that announce more to come (PS3.4 annex C.4: matches, sub-operations).
PENDING = frozenset({0xFF00, 0xFF01})


@dataclass(frozen=True)
class Peer:
    """A DICOM node and how we present ourselves to it. ``timeout``: seconds without an answer.

    With ``tls`` it is spoken to over TLS only, without it in the clear only.
    """

    address: str
    port: int
    ae_title: str
    calling: str = "WARDSHIP"
    timeout: float = 10.0
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.address}:{self.port}"


def open_association(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any] = (),
    on_store: Callable[[Any], int] | None = None,
) -> Association:
    """An established association. A peer that is full for the moment is asked again for a second.

    Args:
        roles: SCP/SCU role selection items (PS3.7 annex D.3.3.4), for C-GET.
        on_store: receives C-STORE sub-operations of a C-GET, gives their status.

    Raises:
        NotConnected, NotSecure, Rejected, NotOffered, Silent, Cut
    """
    until = time.monotonic() + BUSY
    while True:
        try:
            return _open_once(peer, contexts, roles=roles, on_store=on_store)
        except Rejected as refused:
            if not refused.is_transient or time.monotonic() > until:
                raise
            time.sleep(BUSY / 5)


def _open_once(
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[Any],
    on_store: Callable[[Any], int] | None,
) -> Association:
    connected: list[bool] = []

    def on_open(event: Any) -> None:
        connected.append(True)
        _send_at_once(event.assoc.dul.socket.socket)
        leave_answers(event.assoc)

    handlers: list[Any] = [(evt.EVT_CONN_OPEN, on_open)]
    if on_store is not None:
        handlers.append((evt.EVT_C_STORE, on_store))
    entity = AE(ae_title=peer.calling)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = peer.timeout
    entity.network_timeout = None  # the peer may take its time between our questions
    secured, noted = None, []
    if peer.tls is not None:
        context = client_context(peer.tls)
        secured, noted = (context, peer.tls.name), noting(context)
    began = time.monotonic()
    association = entity.associate(
        peer.address,
        peer.port,
        contexts=list(contexts),
        ae_title=peer.ae_title,
        ext_neg=list(roles),
        evt_handlers=handlers,
        tls_args=secured,
    )
    if association.is_established:
        return association
    waited = time.monotonic() - began
    # Also after the handshake: in TLS 1.3 a peer judges our certificate later.
    if noted and not association.is_rejected:
        raise meaning(peer, noted[0])
    refusal = _refusal(association, peer, connected=bool(connected), waited=waited)
    if isinstance(refusal, Cut) and peer.tls is None and _answers_tls(peer):
        raise NotSecure(f"{peer} speaks TLS, and none is declared for it")
    raise refusal


def _send_at_once(connection: socket.socket) -> None:
    """No waiting for the peer's delayed acknowledgement between a command and its data set.

    Without this every service takes 40 ms longer, several times over.
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def leave_answers(association: Any) -> None:
    """Keep the association's own thread from the answers to what we ask.

    ``send_*`` pauses that thread and waits until it says that it rests. It says so still for a
    moment after it was let go, and if the next question falls into that moment it takes the answer
    for a request, and drops it: a peer that answered looks silent.
    """
    take = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: take(block=True) if block else (None, None)


def _answers_tls(peer: Peer) -> bool:
    return speaks_tls(peer.address, peer.port, timeout=min(peer.timeout, 2.0))


def _refusal(association: Association, peer: Peer, *, connected: bool, waited: float) -> WireError:
    if association.is_rejected:
        primitive = association.acceptor.primitive
        reason = primitive.reason_str if primitive is not None else "no reason given"
        refused = Rejected(f"{peer} refuses {peer.calling}: {reason}")
        refused.is_transient = primitive is not None and primitive.result == REJECTED_TRANSIENT
        return refused
    if not connected:
        return NotConnected(f"no connection to {peer}")
    if association.rejected_contexts:
        return NotOffered(f"{peer} offers nothing of what was asked for")
    return _ended(peer, waited, "the association request")


def _ended(peer: Peer, waited: float, what: str) -> WireError:
    if waited >= peer.timeout * 0.95:
        return Silent(f"{peer} did not answer {what} within {peer.timeout:.0f} s")
    return Cut(f"{peer} ended the association before it answered {what}")


def answer(peer: Peer, what: str, ask: Callable[[], Dataset]) -> int:
    """The status of a service with one response (C-ECHO, C-STORE).

    Raises:
        NotOffered, Silent, Cut
    """
    began = time.monotonic()
    try:
        response = ask()
    except ValueError:
        raise NotOffered(f"{peer} does not offer {what}") from None
    except RuntimeError:
        raise Cut(f"the association with {peer} ended before {what}") from None
    if "Status" not in response:
        raise _ended(peer, time.monotonic() - began, what)
    return int(response.Status)


def answers(
    peer: Peer, what: str, ask: Callable[[], Iterator[tuple[Dataset, Dataset | None]]]
) -> Iterator[tuple[Dataset, Dataset | None]]:
    """Every response of a service with several (C-FIND, C-GET, C-MOVE), the final one last.

    Raises:
        NotOffered, Silent, Cut: also when the final response is missing.
    """
    final = False
    began = time.monotonic()
    try:
        for status, identifier in ask():
            if "Status" not in status:
                raise _ended(peer, time.monotonic() - began, what)
            final = int(status.Status) not in PENDING
            yield status, identifier
            began = time.monotonic()
    except ValueError:
        raise NotOffered(f"{peer} does not offer {what}") from None
    except RuntimeError:
        raise Cut(f"the association with {peer} ended before {what}") from None
    if not final:
        raise Cut(f"{peer} gave no final answer to {what}")

"""Associations with the product that stands behind the door, over loopback."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from .settings import Identity, Settings

_config.LOG_HANDLER_LEVEL = "none"
#: Seconds until a silent peer counts as one that does not answer.
TIMEOUT = 30.0
#: PS3.8 table 9-21: the result of a rejection.
PERMANENT = 1
#: What one message part may hold, in bytes; 0 would leave it to the peer.
PDU = 262144


class CannotError(Exception):
    """The product cannot be spoken to; ``str`` says why."""


class RejectedError(CannotError):
    """It answers, and lets this AE in under no circumstances."""


class NoneTakenError(CannotError):
    """It answers, and takes none of the contexts that were proposed."""


@contextlib.contextmanager
def opened(
    settings: Settings, contexts: Sequence[PresentationContext], *, caller: str
) -> Iterator[Association]:
    """An association with the product, in the name of ``caller``; released in the end.

    Raises:
        CannotError: there is none to be had.
        RejectedError: not for this caller.
        NoneTakenError: not with any of these contexts.
    """
    dicom = settings.dicom
    association = associate(
        ("127.0.0.1", dicom.port),
        list(contexts),
        calling=caller,
        called=dicom.ae_title,
        secured=_to_product(dicom.tls) if dicom.tls else None,
    )
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def associate(
    where: tuple[str, int],
    contexts: list[PresentationContext],
    *,
    calling: str,
    called: str,
    secured: ssl.SSLContext | None = None,
    roles: Sequence[Any] = (),
) -> Association:
    """An established association.

    Raises:
        CannotError: there is none to be had.
        RejectedError: not for this caller.
        NoneTakenError: not with any of these contexts.
    """
    entity = AE(ae_title=calling)
    entity.maximum_pdu_size = PDU
    entity.acse_timeout = entity.dimse_timeout = entity.connection_timeout = TIMEOUT
    entity.network_timeout = None
    association = entity.associate(
        *where,
        contexts=contexts,
        ae_title=called,
        max_pdu=PDU,
        ext_neg=list(roles),
        evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once), (evt.EVT_CONN_OPEN, leave_answers)],
        tls_args=(secured, "localhost") if secured else None,
    )
    if association.is_established:
        return association
    if association.rejected_contexts:  # pynetdicom ends an association that is good for nothing
        raise NoneTakenError(f"{called} takes none of the contexts proposed by {calling}")
    host, port = where
    if association.is_rejected:
        said = getattr(association.acceptor.primitive, "reason_str", "no reason")
        is_final = getattr(association.acceptor.primitive, "result", None) == PERMANENT
        kind = RejectedError if is_final else CannotError
        raise kind(f"{called} at {host}:{port} rejects {calling}: {said}")
    raise CannotError(f"{called} at {host}:{port} takes no association from {calling}")


def send_at_once(event: Any) -> None:
    """Small answers are not held back to be sent with more (TCP_NODELAY)."""
    connection = event.assoc.dul.socket.socket
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def leave_answers(event: Any) -> None:
    """The association's own thread leaves the answers to whoever asked.

    pynetdicom's ``send_*`` may take it for paused while it wakes; it would then drop an answer as
    an unexpected request.
    """
    dimse = event.assoc.dimse
    take = dimse.get_msg
    dimse.get_msg = lambda block=False: take(block=True) if block else (None, None)


def answer_at_once(event: Any) -> None:
    """What came is acknowledged now (TCP_QUICKACK, which Linux forgets again).

    Many a sender holds back an object's last segment until its first is acknowledged; Linux takes
    40 ms for that.
    """
    connection = event.assoc.dul.socket.socket
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def to_others(identity: Identity) -> ssl.SSLContext:
    """As the product, to those whom its authority knows; AEs have no names to be checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(identity.ca)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


def _to_product(identity: Identity) -> ssl.SSLContext:
    """To the product itself: it has to show the very certificate that we have of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(identity.certificate)
    context.load_cert_chain(identity.certificate, identity.key)
    return context

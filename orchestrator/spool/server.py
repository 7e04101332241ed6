"""The DICOM service that stands in for the product while its door is shut.

Takes from declared AEs what the product would take, under its title. What it cannot do it says so:
a query gets a failure, never an empty answer. *Success* is said when the item is on the disk.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, _config, evt
from pynetdicom.transport import ThreadedAssociationServer

from . import contexts, mpps, worklist
from .arrival import Arriving, reason, take_in
from .client import PDU, answer_at_once, send_at_once
from .contexts import Learned
from .settings import Identity, Settings
from .store import COMMITMENT, FULL, OBJECT, FullError, Store

_config.LOG_HANDLER_LEVEL = "none"
SUCCESS = 0x0000
#: PS3.4 table B.2-1 and PS3.7 annex C.
OUT_OF_RESOURCES, CANNOT_PROCESS, PROCESSING_FAILURE = 0xA700, 0xC000, 0x0110
NO_SUCH_OBJECT, INVALID_ARGUMENT, RESOURCE_LIMIT = 0x0112, 0x0115, 0x0213
CLOSED = "the archive is being changed"
#: As many associations at a time; more are told to come again.
ASSOCIATIONS = 64
#: Seconds after which a connection that says nothing more is ended.
IDLE = 120.0


def start(settings: Settings, learned: Learned, store: Store) -> ThreadedAssociationServer:
    """Listen, in threads of its own; an association a thread."""
    take_in(store)
    dicom = settings.dicom
    entity = AE(ae_title=dicom.ae_title)
    entity.require_called_aet = True
    entity.require_calling_aet = list(learned.callers)
    entity.maximum_associations = ASSOCIATIONS
    entity.maximum_pdu_size = PDU
    entity.network_timeout = IDLE
    can_find = (settings.directory / worklist.DIRECTORY).is_dir()
    for name, syntaxes in learned.contexts.items():
        if name != contexts.WORKLIST or can_find:
            entity.add_supported_context(name, syntaxes)
    started = entity.start_server(
        ("", dicom.spool_port),
        block=False,
        ssl_context=_context(dicom.tls, dicom.callers) if dicom.tls else None,
        evt_handlers=Desk(store, settings.directory).handlers(),
    )
    if started is None:
        raise RuntimeError("a server that does not block is given back")
    return started


class _Unhurried(ssl.SSLContext):
    """TLS is agreed on where a connection is read, in its own thread.

    pynetdicom does it where connections are accepted: one that says nothing would hold up all.
    """

    def wrap_socket(self, sock: socket.socket, *args: Any, **more: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **{**more, "do_handshake_on_connect": False})


def _context(identity: Identity, callers: str) -> ssl.SSLContext:
    """The product's own identity; who calls is asked for his as the product asks (PS3.15 B.9)."""
    context = _Unhurried(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate, identity.key)
    context.load_verify_locations(identity.ca)
    context.verify_mode = ssl.CERT_NONE if callers == "any" else ssl.CERT_REQUIRED
    return context


class Desk:
    """What is answered to whom."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory

    def handlers(self) -> list[Any]:
        """For pynetdicom, by event."""
        return [
            (evt.EVT_CONN_OPEN, send_at_once),
            (evt.EVT_CONN_OPEN, answer_at_once),
            (evt.EVT_DATA_RECV, answer_at_once),
            (evt.EVT_DATA_SENT, answer_at_once),
            (evt.EVT_CONN_CLOSE, self._left),
            (evt.EVT_REJECTED, self._rejected),
            (evt.EVT_C_ECHO, lambda _: SUCCESS),
            (evt.EVT_C_STORE, self._store_object),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_MOVE, self._move),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_N_ACTION, self._commit),
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
        ]

    def _store_object(self, event: Any) -> Any:
        caller, because = _caller(event), ""
        arrived: Arriving = event.request._dataset_file
        arrived.close()
        try:
            if not arrived.lost:
                self._store.park(arrived.path, OBJECT, source=caller)
        except FullError:
            because = FULL
        except OSError as error:
            because = reason(error)
        because = because or arrived.lost
        if not because:
            return SUCCESS
        uid = str(event.request.AffectedSOPInstanceUID)
        self._store.refused(caller, OBJECT, because=because, uid=uid)
        return _status(OUT_OF_RESOURCES, because)

    def _find(self, event: Any) -> Iterator[tuple[Any, Any]]:
        if event.request.AffectedSOPClassUID != contexts.WORKLIST:
            yield _status(OUT_OF_RESOURCES, CLOSED), None
            return
        try:
            wanted = event.identifier
            for found in worklist.matches(self._directory, wanted):
                if event.is_cancelled:
                    yield 0xFE00, None
                    return
                yield 0xFF00, found
        except (OSError, ValueError, AttributeError, NotImplementedError) as error:
            yield _status(CANNOT_PROCESS, type(error).__name__), None

    def _move(self, event: Any) -> Iterator[Any]:
        del event
        yield None, None  # no destination: answered by pynetdicom with 0xA801, none of ours
        yield 0

    def _get(self, event: Any) -> Iterator[Any]:
        del event
        yield 1  # none would be a success
        yield _status(OUT_OF_RESOURCES, CLOSED), None

    def _commit(self, event: Any) -> tuple[Any, Any]:
        """Storage commitment's request (PS3.4 annex J.3.2): kept, answered later by a report."""
        try:
            asked = event.action_information
            objects = [
                [str(each.ReferencedSOPClassUID), str(each.ReferencedSOPInstanceUID)]
                for each in asked.ReferencedSOPSequence
            ]
            content = json.dumps({"transaction": str(asked.TransactionUID), "objects": objects})
        except (AttributeError, ValueError):
            return _status(INVALID_ARGUMENT, "no transaction, or no objects, in it"), None
        return self._park(event, content.encode(), COMMITMENT, uid=str(asked.TransactionUID)), None

    def _create(self, event: Any) -> tuple[Any, Any]:
        uid = str(event.request.AffectedSOPInstanceUID or "")
        if not uid:
            return _status(INVALID_ARGUMENT, "a procedure step needs a UID from its modality"), None
        content = mpps.created(event, uid)
        return self._park(event, content, mpps.CREATE, uid=uid), event.attribute_list

    def _set(self, event: Any) -> tuple[Any, Any]:
        uid = str(event.request.RequestedSOPInstanceUID)
        content = mpps.changed(event, uid)
        return self._park(event, content, mpps.SET, uid=uid), event.modification_list

    def _park(self, event: Any, content: bytes, kind: str, *, uid: str) -> Any:
        caller = _caller(event)
        try:
            self._store.park_bytes(content, kind, source=caller)
        except FullError:
            self._store.refused(caller, kind, because=FULL, uid=uid)
            return _status(RESOURCE_LIMIT, FULL)
        except OSError as error:
            because = reason(error)
            self._store.refused(caller, kind, because=because, uid=uid)
            return _status(RESOURCE_LIMIT, because)
        return SUCCESS

    def _rejected(self, event: Any) -> None:
        requestor = event.assoc.requestor
        caller = str(getattr(requestor.primitive, "calling_ae_title", "") or "").strip()
        because = "not a declared AE, another called AE, or too many at a time"
        self._store.refused(caller, "association", because=because)

    def _left(self, event: Any) -> None:
        """What an association left half was never acknowledged."""
        half = getattr(event.assoc.dimse.message, "_data_set_file", None)
        if half is not None:
            half.discard()


def _caller(event: Any) -> str:
    return str(event.assoc.requestor.ae_title).strip()


def _status(code: int, because: str) -> Dataset:
    answer = Dataset()
    answer.Status = code
    answer.ErrorComment = because[:64]  # VR LO
    return answer

"""A product as the spool meets it: a DICOM service and an HL7 listener on loopback.

Keeps what it takes, in order; answers as it is told to, an item at a time, *success* otherwise.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
)

from orchestrator.wire import mllp

TITLE = "PACS"
CT, EXPLICIT = str(CTImageStorage), str(ExplicitVRLittleEndian)


@dataclass
class Product:
    """What it holds, and what it is told. ``answers``: by UID or control id, the next ones."""

    port: int
    hl7_port: int
    answers: dict[str, list[Any]] = field(default_factory=dict)
    #: In the order of arrival: who sent what, and its data set's SHA-256.
    taken: list[tuple[str, str, str]] = field(default_factory=list)
    #: UIDs at whose first coming the association is ended.
    hangs_up_at: set[str] = field(default_factory=set)
    worklist: list[Dataset] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """What was taken: UIDs and control ids."""
        return [name for _, name, _ in self.taken]

    def answer(self, caller: str, name: str, content: bytes, *, good: Any) -> Any:
        """Take it, unless it is told to say something else."""
        said = self.answers[name].pop(0) if self.answers.get(name) else good
        if said == good:
            self.taken.append((caller, name, hashlib.sha256(content).hexdigest()))
        return said

    def store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid in self.hangs_up_at:
            self.hangs_up_at.remove(uid)
            event.assoc.abort()
            return 0xC000
        content = event.request.DataSet.getvalue()
        code: int = self.answer(_caller(event), uid, content, good=0)
        return code

    def create(self, event: Any) -> tuple[int, Any]:
        uid = str(event.request.AffectedSOPInstanceUID)
        return self.answer(_caller(event), f"begun {uid}", b"", good=0), event.attribute_list

    def change(self, event: Any) -> tuple[int, Any]:
        uid = str(event.request.RequestedSOPInstanceUID)
        return self.answer(_caller(event), f"changed {uid}", b"", good=0), event.modification_list

    def find(self, event: Any) -> Iterator[tuple[int, Any]]:
        del event
        for entry in self.worklist:
            yield 0xFF00, entry

    def hear(self, connection: socket.socket) -> None:
        for message in mllp.messages(connection):
            read = mllp.read(message)
            code = self.answer("", str(read.segment("MSH")(10)), message, good="AA")
            if code is None:
                return
            connection.sendall(mllp.framed(mllp.acknowledged(read, code, "")))


def _caller(event: Any) -> str:
    return str(event.assoc.requestor.ae_title).strip()


@contextmanager
def running(
    *, callers: Sequence[str] = (), contexts: Sequence[tuple[str, str]] = ((CT, EXPLICIT),)
) -> Iterator[Product]:
    """It listens while the context lasts. ``callers``: who may; all where none is named."""
    product = Product(free_port(), free_port())
    entity = AE(ae_title=TITLE)
    entity.require_called_aet = True
    entity.require_calling_aet = list(callers)
    for name, syntax in contexts:
        entity.add_supported_context(name, syntax)
    for name in (ModalityPerformedProcedureStep, ModalityWorklistInformationFind):
        entity.add_supported_context(name, [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
    server = entity.start_server(
        ("127.0.0.1", product.port),
        block=False,
        evt_handlers=[
            (evt.EVT_C_STORE, product.store),
            (evt.EVT_C_FIND, product.find),
            (evt.EVT_N_CREATE, product.create),
            (evt.EVT_N_SET, product.change),
        ],
    )
    assert server is not None
    listener = socketserver.ThreadingTCPServer(("127.0.0.1", product.hl7_port), _desk(product))
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield product
    finally:
        server.shutdown()
        listener.shutdown()
        listener.server_close()


def _desk(product: Product) -> type[socketserver.BaseRequestHandler]:
    class Desk(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            product.hear(self.request)

    return Desk


def message(control: str, *, kind: str = "ORM^O01") -> bytes:
    """An HL7 message of nobody."""
    head = f"MSH|^~\\&|LAB|LAB|RIS|RIS|20260101||{kind}|{control}|P|2.5.1"
    return f"{head}\rPID|1||LAB-1\r".encode()


def free_port() -> int:
    """A port that nobody has, below those that connections begin at and would take it with."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(100):
        port = 10000 + secrets.randbelow(max(1, lowest - 10000))
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free below those that connections begin at")

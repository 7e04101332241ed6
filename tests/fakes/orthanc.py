"""An Orthanc on loopback, as far as the host scripts know one: stores by SOP Instance UID.

Like the real one it keeps the first of two objects with one UID, and says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

#: What comes before the meta information of a DICOM file (PS3.10 section 7.1).
PREAMBLE = b"\0" * 128 + b"DICM"


def dicom_file(uid: str, *, patient: str = "LAB-1", pixels: bytes = b"") -> bytes:
    """Not a whole DICOM file: the SOP Instance UID where it must be, a patient id, some bytes."""
    value = uid.encode() + b"\0" * (len(uid) % 2)
    meta = b"\x02\x00\x03\x00UI" + len(value).to_bytes(2, "little") + value
    return PREAMBLE + meta + f"|{patient}|".encode() + pixels


@dataclass
class FakeOrthanc:
    """The server's state. ``stored``: content by SOP Instance UID."""

    version: str = "1.10.1"
    port: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    refuses_uploads: bool = False
    asked: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes) -> Any:
        """The JSON, bytes or None (404) that a request is answered with."""
        self.asked.append(f"{method} {path}")
        parts = path.strip("/").split("/")
        if path == "/system":
            return {"Version": self.version}
        if path == "/statistics":
            return {"CountInstances": len(self.stored)}
        if path == "/tools/lookup":
            return [{"ID": uid, "Type": "Study"} for uid in self.stored if uid == body.decode()]
        if (method, path) == ("POST", "/instances"):
            return self._store(body)
        if method == "DELETE" and parts[1] in self.stored:
            del self.stored[parts[1]]
            return {}
        if parts[0] == "instances" and parts[1] in self.stored:
            return self._instance(parts[1], "/".join(parts[2:]))
        return None

    def _store(self, body: bytes) -> Any:
        if self.refuses_uploads:
            return None
        length = int.from_bytes(body[138:140], "little")
        uid = body[140 : 140 + length].rstrip(b"\0").decode()
        status = "AlreadyStored" if uid in self.stored else "Success"
        self.stored.setdefault(uid, body)
        return {"ID": uid, "Status": status}

    def _instance(self, uid: str, what: str) -> Any:
        content = self.stored[uid]
        if what == "patient":
            return {"MainDicomTags": {"PatientID": content.split(b"|")[1].decode()}}
        if what == "attachments/dicom/md5":
            return hashlib.md5(content).hexdigest().encode()  # noqa: S324 (what Orthanc keeps)
        return None


@contextmanager
def running(orthanc: FakeOrthanc) -> Iterator[FakeOrthanc]:
    """Serve on a free port of the loopback until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = orthanc.answer(self.command, self.path, body)
            content = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    orthanc.port = server.server_port
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield orthanc
    finally:
        server.shutdown()
        server.server_close()

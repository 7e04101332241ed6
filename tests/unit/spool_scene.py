"""A spool of one change in a directory of its own, and scanners that send to it."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from orchestrator.spool import contexts
from orchestrator.spool.client import leave_answers
from orchestrator.spool.store import OBJECT, Store
from tests.fakes.product import CT, EXPLICIT, TITLE, free_port

PROGRAM = [sys.executable, "-c", "from orchestrator.spool.main import entry; entry()"]
AES = ("CT1", "CT2")


@dataclass(frozen=True)
class Spool:
    """``port`` and ``hl7_port``: where it stands in for the product."""

    directory: Path
    port: int
    hl7_port: int

    @property
    def store(self) -> Store:
        """A store that parks, or looks at what another one parked."""
        return Store(self.directory, quota=1 << 30)

    def call(self, verb: str) -> dict[str, Any]:
        """What a verb tells; it must succeed."""
        ran = subprocess.run(
            [*PROGRAM, verb, str(self.directory)], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        told: dict[str, Any] = json.loads(ran.stdout)
        return told

    def parked(self) -> list[tuple[str, str]]:
        """Kind and source of each item, in order."""
        return [(item.kind, item.source) for item in self.store.items()]

    @contextmanager
    def serving(self, *, file_limit: int | None = None) -> Iterator[subprocess.Popen[str]]:
        """It listens while the context lasts. ``file_limit``: bytes that a file may have there."""
        limit = ["prlimit", f"--fsize={file_limit}"] if file_limit else []
        argv = [*limit, *PROGRAM, "serve", str(self.directory)]
        with subprocess.Popen(argv, text=True, stdout=subprocess.PIPE) as process:
            try:
                self._wait(process)
                yield process
            finally:
                process.terminate()
                try:
                    assert process.wait(20) in (0, -9)
                finally:
                    process.kill()

    def _wait(self, process: subprocess.Popen[str]) -> None:
        for port in (self.port, self.hl7_port):
            for _ in range(400):
                assert process.poll() is None, process.communicate()
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            else:
                raise AssertionError(f"nobody listens on {port}")

    @contextmanager
    def association(
        self,
        caller: str = "CT1",
        *,
        called: str = TITLE,
        contexts: Sequence[Any] = (),
        secured: ssl.SSLContext | None = None,
    ) -> Iterator[Association]:
        """A scanner's, established or not."""
        entity = AE(ae_title=caller)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        asked = list(contexts) or [build_context(CT, EXPLICIT)]
        link = entity.associate(
            "127.0.0.1",
            self.port,
            contexts=asked,
            ae_title=called,
            evt_handlers=[(evt.EVT_CONN_OPEN, leave_answers)],
            tls_args=(secured, "localhost") if secured else None,
        )
        try:
            yield link
        finally:
            if link.is_established:
                link.release()


def spool(
    directory: Path,
    *,
    product: tuple[int, int] = (1, 1),
    quota: int = 1 << 26,
    accepted: dict[str, list[str]] | None = None,
    refuses: Sequence[str] = (),
    tls: dict[str, str] | None = None,
    callers: str = "certified",
    listens: int = 104,
) -> Spool:
    """Settings and contexts laid down. ``product``: its DICOM and its HL7 port."""
    made = Spool(directory, free_port(), free_port())
    modality = {"address": "127.0.0.1", "port": listens, "tls": False}
    settings = {
        "quota": quota,
        "dicom": {
            "ae_title": TITLE,
            "port": product[0],
            "spool_port": made.port,
            "modalities": [{"ae_title": ae, **modality} for ae in AES],
            "refuses": list(refuses),
            "callers": callers,
            "tls": tls,
        },
        "mllp": [{"port": product[1], "spool_port": made.hl7_port}],
    }
    (directory / "settings.json").write_text(json.dumps(settings))
    contexts.keep(directory, contexts.Learned(AES, accepted or {CT: [EXPLICIT]}))
    made.store.open()
    return made


def image(uid: str, *, size: int = 2000, fill: bytes = b"") -> Dataset:
    """An object of nobody, of about so many bytes."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    made.SOPClassUID, made.SOPInstanceUID = UID(CT), UID(uid)
    made.PatientID = "LAB-1"
    made.PixelData = (fill or os.urandom(16)) * (size // 16)
    made["PixelData"].VR = "OW"
    return made


def store(link: Association, made: Dataset) -> int:
    """The status of a C-STORE; -1 where nothing was answered."""
    answer = link.send_c_store(made)
    return int(answer.Status) if "Status" in answer else -1


def put(kept: Store, made: Dataset, *, source: str = "CT1") -> None:
    """Park an object, as the server does."""
    part = kept.incoming / "part"
    made.save_as(part, enforce_file_format=True)
    kept.park(part, OBJECT, source=source)


def step(uid: str) -> bytes:
    """A procedure step's parked request."""
    made = Dataset()
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    content = encode(made, is_implicit_vr=False, is_little_endian=True)
    assert content is not None
    kept = {"uid": uid, "syntax": EXPLICIT, "dataset": base64.b64encode(content).decode()}
    return json.dumps(kept).encode()

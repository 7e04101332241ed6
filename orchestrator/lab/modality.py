"""A modality: sends small synthetic images to an archive, one after another, until told to stop.

An image that is not acknowledged is sent again, the same one, until it is: what a scanner does with
its local copy. Every acknowledgement is written down before the next image is made, so that the
list is what the archive may be held to. Run as ``python -m orchestrator.lab.modality``.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from pydicom import Dataset
from pydicom.uid import CTImageStorage

from orchestrator.errors import WardshipError
from orchestrator.lab import studies
from orchestrator.lab.loss import Stored, describe
from orchestrator.lab.studies import Archive, Kind
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.objects import encode
from orchestrator.wire.tls import Tls

IMAGE = Kind("CT", CTImageStorage, images=20, size=64)
_TIMEOUT = 5.0


class Line(BaseModel):
    """What every line of the manifest has: when it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: AwareDatetime


class Acknowledged(Line):
    """The archive said *success* to this object, at the ``tries``-th attempt."""

    event: Literal["stored"] = "stored"
    object: Stored
    tries: int


class GapOpened(Line):
    """The first attempt that failed after one that did not."""

    event: Literal["gap-opened"] = "gap-opened"
    because: str


class GapClosed(Line):
    """The first success after a gap of so many seconds."""

    event: Literal["gap-closed"] = "gap-closed"
    seconds: float


_Lines: TypeAdapter[Acknowledged | GapOpened | GapClosed] = TypeAdapter(
    Annotated[Acknowledged | GapOpened | GapClosed, Field(discriminator="event")]
)

Send = Callable[[Dataset], None]


def read(manifest: Path) -> tuple[Acknowledged | GapOpened | GapClosed, ...]:
    """The lines so far. A last line that is still being written is left out."""
    whole, _, _ = manifest.read_bytes().rpartition(b"\n")
    return tuple(_Lines.validate_json(line) for line in whole.splitlines())


def acknowledged(manifest: Path) -> tuple[Stored, ...]:
    """Every object that the archive has acknowledged so far."""
    return tuple(line.object for line in read(manifest) if isinstance(line, Acknowledged))


def sender(peer: Peer) -> Send:
    """Sends an object over an association of its own, as a modality does between two patients.

    It raises a ``WardshipError`` for anything but an acknowledgement.
    """

    def send(dataset: Dataset) -> None:
        with DicomClient(peer) as client:
            client.store([encode(dataset, dataset.file_meta.TransferSyntaxUID)])

    return send


def images(calling: str, *, seed: int) -> Iterator[Dataset]:
    """Images without end, a new study every twenty. Another ``seed`` gives other ones."""
    source = Archive(site=calling, seed=seed)
    for number in itertools.count(1):
        for image in range(1, IMAGE.images + 1):
            yield studies.instance(source, number, image, kind=IMAGE)


class Modality:
    """Sends images and keeps the manifest until stopped."""

    def __init__(
        self,
        send: Send,
        manifest: Path,
        *,
        interval: float,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._manifest = manifest
        self._interval = interval
        self._now = now
        self._clock = clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End after the attempt that is under way. May be called from a signal handler."""
        self._stopped.set()

    def run(self, made: Iterator[Dataset]) -> None:
        """Send what ``made`` gives, ``interval`` seconds apart, until ``stop`` or its end."""
        for dataset in made:
            tries = self._until_acknowledged(dataset)
            if tries:
                self._write(
                    Acknowledged(at=self._now(), object=describe(dataset), tries=tries),
                )
            if self._stopped.wait(self._interval):
                return

    def _until_acknowledged(self, dataset: Dataset) -> int:
        """How many attempts it took; 0 when stopped before an acknowledgement."""
        failing_since: float | None = None
        for attempt in itertools.count(1):
            try:
                self._send(dataset)
            except WardshipError as refused:
                if failing_since is None:
                    failing_since = self._clock()
                    self._write(GapOpened(at=self._now(), because=refused.what))
                if self._stopped.wait(self._interval):
                    return 0
                continue
            if failing_since is not None:
                self._write(GapClosed(at=self._now(), seconds=self._clock() - failing_since))
            return attempt
        raise AssertionError("counting ended")

    def _write(self, line: Line) -> None:
        with self._manifest.open("ab") as stream:
            stream.write(line.model_dump_json().encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def main(argv: Sequence[str] | None = None) -> int:
    """The process. SIGTERM and SIGINT end it, with everything written."""
    asked = arguments().parse_args(argv)
    modality = Modality(sender(archive(asked)), asked.manifest, interval=asked.interval)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: modality.stop())
    modality.run(images(asked.calling, seed=asked.seed))
    return 0


def archive(asked: argparse.Namespace) -> Peer:
    """Whom a modality with these ``arguments`` calls."""
    address, _, port = asked.peer.rpartition(":")
    return Peer(
        address, int(port), asked.called, calling=asked.calling, timeout=_TIMEOUT, tls=_tls(asked)
    )


def _tls(asked: argparse.Namespace) -> Tls | None:
    if asked.tls_ca is None:
        return None
    texts = [path.read_text("ascii") for path in (asked.tls_certificate, asked.tls_key)]
    return Tls(asked.tls_ca.read_text("ascii"), asked.tls_name, *texts)


def arguments() -> argparse.ArgumentParser:
    """What the process is told: whom to call, as whom, and where to keep its list."""
    parser = argparse.ArgumentParser(prog="modality", description=__doc__)
    parser.add_argument("--peer", required=True, metavar="HOST:PORT")
    parser.add_argument("--called", required=True, metavar="AET")
    parser.add_argument("--calling", required=True, metavar="AET")
    parser.add_argument("--manifest", required=True, type=Path, help="JSON lines, appended to")
    parser.add_argument("--interval", type=float, default=0.3, help="seconds between images")
    parser.add_argument("--seed", type=int, default=time.time_ns(), help="another gives new images")
    for name in ("ca", "certificate", "key"):
        parser.add_argument(f"--tls-{name}", type=Path, help="PEM file")
    parser.add_argument("--tls-name", metavar="NAME", help="in the archive's certificate")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())

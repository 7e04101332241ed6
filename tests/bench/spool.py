"""What the spool takes a second, beside ``storescp --fork`` and Orthanc; and a change with parking.

Each receives the same objects from DCMTK's ``storescu`` over loopback, in turn, into a fresh
directory. storescp promises nothing of the disk; Orthanc (index in SQLite, ``SyncStorageArea``)
and the spool do. The second half is a real lab host: a modality sends all the while, and the
longest time between two acknowledgements is the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from orchestrator.adapters.spoolprogram import build_spool_program
from orchestrator.lab import artifacts, modality, studies, tools
from orchestrator.lab.demo import Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.modality import Acknowledged
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY_NAME
from orchestrator.lab.studies import Archive, Kind
from tests.bench.figures import RESULTS, ROOT, Taking, keep
from tests.lab.controlled import CACHE, LABS, wait_for
from tests.lab.pacs import Pacs, count

HOST, RELEASE, QUOTA_MIB = "pacs-a", "1.12.7", 2048
TITLE, CALLER = "PACS", "CT1"
#: Pixels a side and objects of each series, and how many scanners send at once.
SERIES = {
    "512 KiB": (512, 200, 1),
    "512 KiB, four at once": (512, 50, 4),
    "18 KiB": (96, 400, 1),
    "512 KiB, as DCMTK comes": (512, 100, 1),
}
#: What DCMTK, and Orthanc with it, does not do by itself: small segments are sent at once. Without
#: it they wait 40 ms for the other side, several times an object.
AT_ONCE = {"TCP_NODELAY": "1"}
AS_IT_COMES = "as DCMTK comes"
STORESCP, ORTHANC, SPOOL = "storescp --fork", "Orthanc, SyncStorageArea", "spool"


def main() -> None:
    """Measure, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--changes", type=int, default=3, help="on a lab host; 0 for none")
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    taking = Taking("spool", note="storescu over loopback; all on this machine's one disk.")
    tools.ensure_tools(print)
    with TemporaryDirectory(prefix="wardship-bench-", dir="/var/tmp") as directory:
        _receive(Path(directory), wanted.rounds, taking)
    if wanted.changes:
        _changes(wanted.changes, taking)
    keep(taking.result(), wanted.out)


def _receive(directory: Path, rounds: int, taking: Taking) -> None:
    receivers = _receivers(directory)
    for name, (size, objects, scanners) in SERIES.items():
        sent = [_images(directory / f"{name}-{n}", n, size, objects) for n in range(scanners)]
        for number in range(rounds):
            for receiver, run in receivers.items():
                place = directory / f"{receiver}-{name}-{number}"
                place.mkdir()
                more = {} if AS_IT_COMES in name else AT_ONCE
                with patch.dict(os.environ, more), run(place) as (port, held):
                    seconds = _send(sent, port)
                    _require(held(place) == objects * scanners, f"{receiver} lost an object")
                beside = "" if receiver == STORESCP else f"{name}: {STORESCP}, objects"
                bytes_ = sum(file.stat().st_size for one in sent for file in one.iterdir())
                taking.add(
                    f"{name}: {receiver}, objects", objects * scanners / seconds, "/s",
                    beside=beside,
                )  # fmt: skip
                taking.add(f"{name}: {receiver}, bytes", bytes_ / seconds / 1e6, "MB/s")


def _images(directory: Path, number: int, size: int, objects: int) -> Path:
    directory.mkdir()
    kind = Kind("CT", CTImageStorage, images=objects, size=size)
    for image in range(1, objects + 1):
        made: Dataset = studies.instance(Archive(site=CALLER, seed=number), 1, image, kind=kind)
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.save_as(directory / f"{image:06d}.dcm", enforce_file_format=True)
    return directory


def _send(directories: list[Path], port: int) -> float:
    """All of it at once; the seconds until the last sender has ended."""
    argv = [tools.STORESCU, "-aet", CALLER, "-aec", TITLE, "+sd", "127.0.0.1", str(port)]
    began = time.monotonic()
    senders = [
        subprocess.Popen([*argv, str(one)], stdout=subprocess.DEVNULL) for one in directories
    ]
    codes = [one.wait(600) for one in senders]
    seconds = time.monotonic() - began
    _require(not any(codes), f"storescu exited {codes}")
    return seconds


def _require(is_so: bool, because: str) -> None:
    if not is_so:
        raise RuntimeError(because)


#: Its port, and how many objects it holds in its directory.
Listening = tuple[int, Callable[[Path], int]]
Receiver = Callable[[Path], AbstractContextManager[Listening]]


def _receivers(directory: Path) -> dict[str, Receiver]:
    """By name: each listens on a port while a context lasts, and counts what it holds."""
    spool = directory / "wardship-spool"
    build_spool_program(spool)
    release = directory / "orthanc"
    release.mkdir()
    bundle = artifacts.build(RELEASE, cache=CACHE, say=print).path
    subprocess.run(["tar", "-xzf", str(bundle), "-C", str(release)], check=True)

    def storescp(place: Path) -> Iterator[Listening]:
        port = _free_port()
        argv = [tools.STORESCP, "--fork", "-aet", TITLE, "-od", str(place), str(port)]
        with _listening(argv, port):
            yield port, lambda held: len(list(held.iterdir()))

    def orthanc(place: Path) -> Iterator[Listening]:
        port = _free_port()
        settings = {
            "DicomAet": TITLE, "DicomPort": port, "DicomAlwaysAllowStore": True,
            "HttpServerEnabled": False, "SyncStorageArea": True,
            "StorageDirectory": str(place / "held"), "DicomScpTimeout": 30,
        }  # fmt: skip
        (place / "orthanc.json").write_text(json.dumps(settings))
        with _listening([str(release / "bin/orthanc"), str(place / "orthanc.json")], port):
            yield (
                port,
                lambda held: sum(
                    one.is_file() and one.stat().st_size > 10_000 and "index" not in one.name
                    for one in (held / "held").rglob("*")
                ),
            )

    def parking(place: Path) -> Iterator[Listening]:
        port = _free_port()
        scanner = {"ae_title": CALLER, "address": "127.0.0.1", "port": 104, "tls": False}
        dicom = {
            "ae_title": TITLE, "port": 4242, "spool_port": port, "modalities": [scanner],
            "refuses": [], "callers": "any", "tls": None,
        }  # fmt: skip
        settings = {"quota": QUOTA_MIB << 20, "dicom": dicom, "mllp": []}
        learned = {
            "callers": [CALLER],
            "contexts": {str(CTImageStorage): [str(ExplicitVRLittleEndian)]},
        }
        (place / "settings.json").write_text(json.dumps(settings))
        (place / "learned.json").write_text(json.dumps(learned))
        with _listening([str(spool), "serve", str(place)], port):
            yield port, lambda held: len(list((held / "parked").iterdir()))

    return {
        STORESCP: contextmanager(storescp),
        ORTHANC: contextmanager(orthanc),
        SPOOL: contextmanager(parking),
    }


@contextmanager
def _listening(argv: list[str], port: int) -> Iterator[None]:
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"{argv[0]} to listen", lambda: _answers(port), seconds=60)
            yield
        finally:
            process.terminate()
            process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        port: int = tried.getsockname()[1]
        return port


def _changes(rounds: int, taking: Taking) -> None:
    """A change and its restore on a lab host, parked; a modality sends every tenth of a second."""
    lab = Lab("bench", state=LABS, cache=CACHE, say=print)
    lab.down()
    try:
        demo = Demo(lab, say=print)
        demo.up(tuple(each for each in DEFAULT_HOSTS if each.name == HOST))
        pacs = Pacs(demo, HOST)
        for _ in range(rounds):
            pacs.reset()
            pacs.park(quota_mib=QUOTA_MIB)
            plan = pacs.plan()
            taking.add("parked change: longest wait", _longest(pacs, "run", plan))
            change = pacs.the_record().change_set.id
            back = ("restore", change, "--reason", "bench")
            taking.add("parked restore: longest wait", _longest(pacs, *back))
    finally:
        lab.down()


def _longest(pacs: Pacs, *arguments: str) -> float:
    """The longest time between two acknowledgements while a command runs, in seconds."""
    tools.ensure_tools(print)
    with TemporaryDirectory(prefix="wardship-bench-") as directory:
        manifest = Path(directory, "acknowledged.jsonl")
        argv = [
            *pacs.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-m",
            "orchestrator.lab.modality", *pacs.demo.modality_argv(pacs.host),
            "--manifest", str(manifest), "--interval", "0.1", "--seed", str(time.time_ns()),
        ]  # fmt: skip
        with subprocess.Popen(argv, cwd=ROOT) as process:
            try:
                wait_for("the first image", lambda: count(manifest))
                done = pacs.wardship(*arguments)
                before = count(manifest)
                wait_for("an image afterwards", lambda: count(manifest) > before)
            finally:
                process.send_signal(signal.SIGTERM)
        _require(done.returncode == 0, f"{arguments[0]} exited {done.returncode}: {done.stderr}")
        heard = [one.at for one in modality.read(manifest) if isinstance(one, Acknowledged)]
        return max((later - sooner).total_seconds() for sooner, later in pairwise(heard))


if __name__ == "__main__":
    main()

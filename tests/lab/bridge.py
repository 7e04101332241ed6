"""A hospital's ordering system and its modalities, in the lab's network: HL7 in, worklist out.

The other side of each conversation is not ours: DCMTK asks for the worklist.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.lab.artifacts import bundles
from orchestrator.lab.model import RIS_HOST
from orchestrator.lab.ris import HL7_PORT, WORKLIST, WORKLIST_PORT
from tests.fakes.product import free_port
from tests.lab.controlled import CACHE, CHECKOUT, LONG, wait_for
from tests.lab.ris import Ris

#: DCMTK's own, by path: a package of Python has a program of the same name.
FINDSCU = "/usr/bin/findscu"
SEND = """
import sys
from orchestrator.wire import mllp
print(*mllp.answered((sys.argv[1], int(sys.argv[2])), sys.stdin.buffer.read(), timeout=60))
"""
#: Of every patient in these tests: nobody's, with letters beyond Latin-1.
NAME = "Tšhupo^Þórunn"
#: An accession number in what DCMTK prints of an answer.
FOUND = re.compile(r"\(0008,0050\) SH \[([^\]]*?) *\]")
#: And its study number; one of odd length is padded (PS3.5 section 6.2).
STUDY = re.compile(r"\(0020,000d\) UI \[([\d.]+)\x00?\]")


def send(ris: Ris, kind: str, *segments: str, control: str = "1") -> str:
    """Code and reason of what the bridge answers."""
    header = f"MSH|^~\\&|HIS||RIS||20261101||{kind}|{control}|P|2.5.1||||||UNICODE UTF-8"
    message = "\r".join([header, *segments, ""]).encode()
    words = [sys.executable, "-c", SEND, str(RIS_HOST.address), str(HL7_PORT)]
    done = subprocess.run(
        [*ris.lab.enter_argv(), *words], cwd=CHECKOUT, input=message, capture_output=True,
        timeout=LONG, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def order(ris: Ris, number: str, test: str, *, patient: str = "HIS-1") -> str:
    """The answer to an order for tomorrow."""
    at = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d080000+0000")
    pid = f"PID|1||{patient}^^^H^MR||{NAME}||19800203|F"
    return send(ris, "ORM^O01", pid, f"ORC|NW|{number}|||||||{at}", f"OBR|1|{number}||{test}")


def worklist(ris: Ris, station: str, *, port: int = WORKLIST_PORT, at: str = "") -> list[str]:
    """Accession numbers that DCMTK's findscu gets for a station."""
    told = _listed(ris, station, port=port, at=at)
    found = sorted(each for each in FOUND.findall(told) if each)
    assert not found or NAME in told, told
    return found


def studies(ris: Ris, station: str) -> dict[str, str]:
    """The study number of each order on a station's worklist."""
    told = _listed(ris, station)
    return dict(zip(FOUND.findall(told), STUDY.findall(told), strict=True))


def _listed(ris: Ris, station: str, *, port: int = WORKLIST_PORT, at: str = "") -> str:
    keys = ["0008,0050", "0010,0010", "0020,000d", f"0040,0100[0].0040,0001={station}"]
    asked = [word for key in keys for word in ("-k", key)]
    where = [at or str(RIS_HOST.address), str(port)]
    words = [FINDSCU, "-W", "-aet", station, "-aec", WORKLIST, *asked, *where]
    done = subprocess.run(
        [*ris.lab.enter_argv(), *words], capture_output=True, text=True, timeout=LONG, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


def wait_for_worklist(ris: Ris, station: str, wanted: list[str], **where: str | int) -> None:
    """Until a station's worklist is this; it is exported every two seconds."""
    until = time.monotonic() + 60
    while (found := worklist(ris, station, **where)) != wanted:  # type: ignore[arg-type]
        assert time.monotonic() < until, found
        time.sleep(0.5)


def copied_worklist(ris: Ris, to: Path) -> Path:
    """What the bridge exported, as another server is given it."""
    packed = ris.run(["tar", "-cC", f"/var/lib/gnuhealth-bridge/worklist/{WORKLIST}", "."])
    to.mkdir()
    subprocess.run(["tar", "-xC", str(to)], input=packed, check=True)
    return to


@contextmanager
def orthanc(ris: Ris, files: Path, scratch: Path) -> Iterator[int]:
    """Orthanc with its worklist plugin on these files, in the controller's network; its port."""
    release, port = scratch / "orthanc", free_port()
    release.mkdir()
    packed = bundles(cache=CACHE, say=print)["1.12.7"].path
    subprocess.run(["tar", "-xzf", str(packed), "-C", str(release)], check=True)
    settings = {
        "DicomAet": WORKLIST, "DicomPort": port, "HttpServerEnabled": False,
        "StorageDirectory": str(scratch / "storage"), "IndexDirectory": str(scratch / "storage"),
        "Plugins": [str(release / "plugins/libModalityWorklists.so")],
        "Worklists": {"Enable": True, "Database": str(files)},
        "DefaultEncoding": "Utf8", "DicomAlwaysAllowFindWorklist": True,
        "DicomCheckCalledAet": True,
    }  # fmt: skip
    (scratch / "orthanc.json").write_text(json.dumps(settings))
    argv = [*ris.lab.enter_argv(), str(release / "bin/orthanc"), str(scratch / "orthanc.json")]
    said = scratch / "orthanc.log"
    with said.open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            wait_for(
                f"Orthanc listens: {said}",
                lambda: b"DICOM server listening" in said.read_bytes(),
            )
            yield port
        finally:
            process.terminate()

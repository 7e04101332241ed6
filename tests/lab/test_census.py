"""What an archive holds, listed over DICOM and compared: with itself later, and with another's."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.lab import seed
from orchestrator.lab.demo import place
from tests.lab.controlled import CACHE, CHECKOUT, wait_for
from tests.lab.pacs import Pacs

#: DCMTK's archive, the second maker's. Anybody may read and write.
QRSCP = """NetworkTCPPort = {port}
MaxPDUSize = 16384
MaxAssociations = 8
HostTable BEGIN
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
OTHER {storage} RW (500, 1024mb) ANY
AETable END
"""
PORT = 11242
#: Every object as it is, in its own transfer syntax.
SEND = """
import sys, zipfile
from orchestrator.wire.association import Peer
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.objects import read_file
with zipfile.ZipFile(sys.argv[1]) as packed:
    objects = [read_file(packed.read(name)) for name in packed.namelist()]
with DicomClient(Peer("127.0.0.1", int(sys.argv[2]), "OTHER")) as other:
    other.store(objects)
"""


def taken(pacs: Pacs, *words: str) -> Path:
    """A listing."""
    done = pacs.wardship("census", *words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (one,) = json.loads(done.stdout)["taken"]
    return Path(one["listing"])


def compared(pacs: Pacs, *words: str) -> tuple[int, dict[str, Any]]:
    """How ``reconcile`` ended, and what it said."""
    done = pacs.wardship("reconcile", *words, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_an_archive_is_whole_until_an_object_is_gone(pacs: Pacs, tmp_path: Path) -> None:
    objects = {stored.sop for stored in pacs.demo.objects(pacs.host)}
    before = taken(pacs, pacs.facility, "--retrieve", "40")
    code, found = compared(pacs, str(before), str(taken(pacs, pacs.facility, "--retrieve", "40")))
    assert (code, found["differences"]) == (0, {})
    assert found["counts_before"]["instances"] == len(objects)
    assert found["contents"] > 0
    # What people are called is nowhere in it.
    text = before.read_text()
    for shown in pacs.demo.rest(pacs.host).json("/patients?expand"):
        assert str(shown["MainDicomTags"]["PatientID"]) not in text
    rest = pacs.demo.rest(pacs.host)
    gone = rest.json("/instances?expand&limit=1&since=7")[0]
    rest.post(f"/instances/{gone['ID']}", b"", method="DELETE")
    after = taken(pacs, pacs.facility)
    table, page = tmp_path / "all.csv", tmp_path / "all.html"
    code, found = compared(pacs, str(before), str(after), "--csv", str(table), "--html", str(page))
    assert code == 25
    assert found["instances_missing"] == 1
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert gone["MainDicomTags"]["SOPInstanceUID"] in row.values()
    assert gone["MainDicomTags"]["SOPInstanceUID"] in page.read_text()


@contextmanager
def other_archive(pacs: Pacs, directory: Path) -> Iterator[str]:
    """The same objects in another maker's archive, in the controller's network."""
    storage = directory / "other"
    storage.mkdir()
    configuration = directory / "dcmqrscp.cfg"
    configuration.write_text(QRSCP.format(port=PORT, storage=storage))
    enter = pacs.lab.enter_argv()
    program = ["/usr/bin/dcmqrscp", "+xr", "-c", str(configuration)]
    packed = seed.prepare(place(pacs.host).archive, cache=CACHE).zip
    send = [*enter, sys.executable, "-c", SEND, str(packed), str(PORT)]
    with subprocess.Popen([*enter, *program], stderr=subprocess.DEVNULL) as archive:
        try:
            wait_for(
                "the other archive takes everything",
                lambda: subprocess.run(send, check=False, cwd=CHECKOUT).returncode == 0,
                seconds=60, pause=1,
            )  # fmt: skip
            yield f"OTHER@127.0.0.1:{PORT}"
        finally:
            archive.kill()


def test_two_archives_of_different_makers_are_compared(pacs: Pacs, tmp_path: Path) -> None:
    with other_archive(pacs, tmp_path) as other:
        theirs = taken(pacs, "--archive", other)
    ours = taken(pacs, pacs.facility)
    code, found = compared(pacs, str(theirs), str(ours))
    assert found["instances_missing"] == 0, found
    assert found["counts_before"]["instances"] == found["counts_after"]["instances"] > 0
    # What one of them does not tell of a study is a difference until a person allows it.
    assert {kind.partition(":")[0] for kind in found["differences"]} <= {"study changed"}, found
    if not found["differences"]:
        return
    assert code == 25
    fields = sorted(kind.partition(": ")[2] for kind in found["differences"])
    rules = "".join(f"  - {{what: changed, field: {f}, why: not told}}\n" for f in fields)
    (tmp_path / "allow.yml").write_text(f"allow:\n{rules}")
    code, found = compared(pacs, str(theirs), str(ours), "--allow", str(tmp_path / "allow.yml"))
    assert (code, found["differences"]) == (0, {})

"""Runs in the machine that loses its power: scanners send to a spool, each success is marked.

Several at once, objects of one part and of many; a mark is made when a scanner has the answer in
its hands, and not before.
"""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.adapters.spoolprogram import build_spool_program
from orchestrator.lab.guest import put
from orchestrator.lab.power import MARKER, inside
from tests.lab.power_cycle import UNIT, forget_fsync

PROGRAM = "/usr/local/lib/wardship/wardship-spool"
PLACE = "/var/lib/wardship-spool/change"
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
AES = ("CT1", "CT2", "CT3")
#: Objects that are sent, of all scanners.
OBJECTS = 240
SETTINGS = {
    "quota": 1 << 30,
    "dicom": {
        "ae_title": "PACS", "port": 4242, "spool_port": 11042, "refuses": [], "tls": None,
        "callers": "any",
        "modalities": [{"ae_title": ae, "address": "127.0.0.1", "port": 104} for ae in AES],
    },
    "mllp": [],
}  # fmt: skip
# The marker (orchestrator/lab/power.py) is put before this text: mark(**facts).
WORK = r"""
import hashlib, socket, subprocess, sys, threading, time
PROGRAM, PLACE, CT, EXPLICIT, AES, OBJECTS = json.loads(
    open("/opt/power/spool.json").read())
sys.path.insert(0, PROGRAM)
marking = threading.Lock()

def send(ae):
    try:
        send_all(ae)
    except Exception as error:  # a scanner that only went away would look like one that is through
        with marking:
            mark(broken=ae, because=repr(error))
        raise

def send_all(ae):
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from wardship_spool.client import leave_answers
    from pynetdicom import AE, build_context, evt
    from pynetdicom.dsutils import encode
    entity = AE(ae_title=ae)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 600
    link = entity.associate(
        "127.0.0.1", 11042, contexts=[build_context(CT, EXPLICIT)], ae_title="PACS",
        evt_handlers=[(evt.EVT_CONN_OPEN, leave_answers)])
    for number in range(OBJECTS // len(AES)):
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = EXPLICIT
        made.SOPClassUID = CT
        made.SOPInstanceUID = f"2.25.{AES.index(ae) + 1}{number:06d}"
        made.PatientID = "LAB-1"
        made.PixelData = os.urandom(300_000 if number % 10 == 9 else 8_000)
        made["PixelData"].VR = "OW"
        digest = hashlib.sha256(encode(made, False, True)).hexdigest()
        answer = link.send_c_store(made)
        if answer.get("Status") != 0:
            with marking:
                mark(broken=ae, because=str(answer))
            raise SystemExit(1)
        with marking:
            mark(uid=made.SOPInstanceUID, ae=ae, digest=digest)
    link.release()

spool = subprocess.Popen([PROGRAM, "serve", PLACE])
for _ in range(1200):
    with socket.socket() as tried:
        if tried.connect_ex(("127.0.0.1", 11042)) == 0:
            break
    time.sleep(0.5)
mark(begins=True)
scanners = [threading.Thread(target=send, args=(ae,)) for ae in AES]
for one in scanners:
    one.start()
for one in scanners:
    one.join()
mark(sent=True)
time.sleep(600)
"""


def install(tree: Path, *, fsync: bool = True) -> None:
    """The spool and the scanners, in the root of a disk."""
    run = inside(tree)
    program = tree / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    build_spool_program(program)
    if not fsync:
        forget_fsync(program)
    place = tree / PLACE.lstrip("/")
    place.mkdir(parents=True)
    (place / "settings.json").write_text(json.dumps(SETTINGS))
    learned = {"callers": AES, "contexts": {CT: [EXPLICIT]}}
    (place / "learned.json").write_text(json.dumps(learned))
    told = json.dumps([PROGRAM, PLACE, CT, EXPLICIT, AES, OBJECTS])
    put(run, "/opt/power/spool.json", told.encode())
    put(run, "/opt/power/work.py", (MARKER + WORK).encode())
    unit = UNIT.replace(" small.service", "")
    put(run, "/etc/systemd/system/power.service", unit.encode())
    run(["systemctl", "enable", "power.service"])

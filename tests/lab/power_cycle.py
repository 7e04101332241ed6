"""Runs in the machine that loses its power: change after change, every promise marked.

A promise is marked when the host program has answered, and not before. What is staged is written
as Ansible writes it: without fsync. What the product acknowledges it has fsynced.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from zipfile import ZipFile

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.lab.guest import put
from orchestrator.lab.power import MARKER, inside
from tests.lab import small_product

PROGRAM = "/usr/local/lib/wardship/wardship-host"
# The marker (orchestrator/lab/power.py) is put before this text: mark(**facts).
WORK = r"""
import hashlib, pathlib, shutil, stat, subprocess, time
PROGRAM = "/usr/local/lib/wardship/wardship-host"
CHANGES = pathlib.Path("/var/lib/wardship/changes")
SCRIPTS = json.loads(pathlib.Path("/opt/power/scripts.json").read_text())
MANIFEST = json.loads(pathlib.Path("/opt/power/manifest.json").read_text())
epochs = itertools.count(1)

def host(*words, text=""):
    ran = subprocess.run([PROGRAM, *words], input=text, capture_output=True, text=True)
    if ran.returncode:
        mark(broken=" ".join(words), because=(ran.stdout + ran.stderr)[-1500:])
        raise SystemExit(1)
    answer = json.loads(ran.stdout)
    if answer.get("state", "succeeded") != "succeeded":
        mark(broken=" ".join(words), because=json.dumps(answer)[-1500:])
        raise SystemExit(1)
    return answer

def tree(top):
    summed = hashlib.sha256()
    for path in sorted(pathlib.Path(top).rglob("*")):
        about = path.lstat()
        summed.update(f"{path.relative_to(top)} {about.st_mode:o} {about.st_uid}\0".encode())
        if stat.S_ISREG(about.st_mode):
            summed.update(path.read_bytes())
    return summed.hexdigest()

def acknowledged_image(name):
    path = pathlib.Path("/data/small/objects") / name
    with path.open("wb") as file:
        file.write(name.encode() * 500)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)
    mark(image=name)

def staged(change):
    directory = CHANGES / change
    (directory / "scripts").mkdir(parents=True)
    (directory / "files/small").mkdir(parents=True)
    for name, text in SCRIPTS.items():
        (directory / "scripts" / name).write_text(text)
        (directory / "scripts" / name).chmod(0o700)
    (directory / "files/small/settings").write_text("new\n")

def go(number, end):
    change = f"small-{number}"
    acknowledged_image(f"study-{number}")
    epoch = str(next(epochs))
    host("take", "--epoch", epoch)
    mark(epoch=int(epoch))
    staged(change)
    mark(change=change, before=tree("/data/small"))
    host("prepare", "--epoch", epoch, text=json.dumps({**MANIFEST, "change_set": change}))
    mark(change=change, prepared=True)
    about = ("--change", change, "--epoch", epoch)
    for phase in ("quiesce", "snapshot", "apply"):
        host("phase", phase, *about)
        mark(change=change, phase=phase)
    mark(change=change, after=tree("/data/small"))
    propose = "restore" if end == "restored" else "commit"
    host("decide", *about, "--propose", propose, "--by", "test", "--because", "cycle")
    mark(change=change, decision=propose)
    if end == "restored":
        host("phase", "restore", *about)
        mark(change=change, phase="restore")
    host("phase", "open", *about)
    mark(change=change, end="restored" if end == "restored" else "committed")
    if end == "reversed":
        host("reverse", *about, "--because", "cycle")
        mark(change=change, reversal=True)
        host("phase", "restore", *about)
        mark(change=change, phase="restore")
        host("phase", "open", *about)
        mark(change=change, end="restored")

mark(begins=True)
for number in range(1, 1000):
    go(number, "restored" if number % 2 else "reversed")
    mark(cycle=number)
"""
#: Only where there is a place for marks: not when the disk is looked into after the cut.
UNIT = """[Unit]
After=basic.target small.service
ConditionPathExists=/dev/vda1
[Service]
ExecStart=/usr/bin/python3 /opt/power/work.py
StandardOutput=tty
TTYPath=/dev/ttyS0
StandardError=tty
[Install]
WantedBy=multi-user.target
"""
#: The phases' limits, in seconds: an emulated machine is twenty times as slow as a real one.
LIMIT = 600
#: For a host program that takes its promises lightly.
_NO_FSYNC = "import os\nos.fsync = lambda descriptor: None\n"


def install(tree: Path, *, fsync: bool = True) -> None:
    """The small product, the host program and the work, in the root of a disk."""
    run = inside(tree)
    small_product.install(run)
    program = tree / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    build_host_program(program)
    if not fsync:
        forget_fsync(program)
    scripts = small_product.scripts()
    limits = dict.fromkeys(("quiesce", "snapshot", "apply", "restore", "open"), LIMIT)
    manifest = small_product.manifest("small-0", small_product.DATA, **limits)
    put(run, "/opt/power/scripts.json", json.dumps(scripts).encode())
    put(run, "/opt/power/manifest.json", json.dumps(manifest).encode())
    put(run, "/opt/power/work.py", (MARKER + WORK).encode())
    put(run, "/etc/systemd/system/power.service", UNIT.encode())
    run(["systemctl", "enable", "power.service"])


def forget_fsync(program: Path) -> None:
    """Take fsync away from a built host program, and leave everything else as it is."""
    shebang, _, packed = program.read_bytes().partition(b"\n")
    changed = io.BytesIO()
    with ZipFile(io.BytesIO(packed)) as old, ZipFile(changed, "w") as new:
        for name in old.namelist():
            text = old.read(name).decode()
            new.writestr(name, _NO_FSYNC + text if name == "__main__.py" else text)
    program.write_bytes(shebang + b"\n" + changed.getvalue())

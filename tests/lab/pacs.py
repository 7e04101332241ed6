"""A hospital under test: real hosts, the ``wardship`` command as a child process, a modality.

The test's second opinion is the lab's: what the modality wrote down as acknowledged, compared with
what the archive gives back; and the journal and host records, read as they are.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from orchestrator.adapters.journal import SqlJournal
from orchestrator.lab import faults, modality
from orchestrator.lab.demo import Demo, place
from orchestrator.lab.hospital import Lab
from orchestrator.lab.loss import lost_from
from orchestrator.lab.modality import Acknowledged
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY_NAME, PLAIN_HOST
from orchestrator.rollout.model import Event, Record, State

CHECKOUT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("WARDSHIP_CACHE", Path.home() / ".cache" / "wardship"))
LABS = Path("/var/lib/wardship-lab")
PROGRAM = "/usr/local/lib/wardship/wardship-host"
HOSTS = (*DEFAULT_HOSTS, PLAIN_HOST)
#: How long anything in these tests may take, in seconds.
LONG = 240.0


def wait_for(
    what: str, is_so: Callable[[], Any], *, seconds: float = LONG, pause: float = 0.05
) -> Any:
    """Wait until it is so; the test fails, and says what it waited for, if it never is."""
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for: {what}"
        time.sleep(pause)
    return found


class Pacs:
    """One hospital of the lab, ``pacs-a``'s or ``pacs-b``'s."""

    def __init__(self, demo: Demo, host: str) -> None:
        self.demo, self.host, self.facility = demo, host, place(host).facility
        self.fleet = demo.fleet_directory
        self.state = self.fleet / ".wardship"
        self.run = demo.run(host)
        #: The last change left nothing: the next may begin without a reset.
        self.is_as_found = False

    def reset(self) -> None:
        """The hospital as found, the fleet as declared, no journal."""
        self.is_as_found = False
        self.demo.reset(self.host)
        shutil.rmtree(self.state, ignore_errors=True)
        self.settings(release="1.12.7")

    def settings(self, *, release: str, **settings: object) -> None:
        """Write the mandate and this host's settings."""
        (self.fleet / "mandate.yml").write_text(
            yaml.safe_dump(
                {
                    "mandate": f"Every archive runs {release}",
                    "orders": [
                        {
                            "product": "orthanc",
                            "release": release,
                            "facilities": [self.facility],
                        }
                    ],
                }
            )
        )
        file = self.fleet / "facilities" / f"{self.facility}.yml"
        declared = yaml.safe_load(file.read_text())
        title = place(self.host).title
        declared["hosts"][self.host]["settings"] = {"orthanc_name": title, **settings}
        file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))

    def park(self, **parking: object) -> None:
        """Declare that intake is parked here; with nothing given, that it is not."""
        file = self.fleet / "facilities" / f"{self.facility}.yml"
        declared = yaml.safe_load(file.read_text())
        declared["hosts"][self.host]["parking"] = parking or False
        file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))

    # -- the command -----------------------------------------------------------------------------

    def argv(self, *arguments: str) -> list[str]:
        """``wardship`` in the controller's namespace."""
        program = [sys.executable, "-c", "from orchestrator.cli.app import main; main()"]
        return [*self.demo.lab.enter_argv(), *program, "--fleet", str(self.fleet), *arguments]

    def wardship(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*arguments),
            cwd=CHECKOUT, capture_output=True, text=True, timeout=LONG, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command, in a process group of its own."""
        return subprocess.Popen(
            self.argv(*arguments),
            cwd=CHECKOUT, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def plan(self) -> str:
        """Plan; gives the digest that ``run`` takes."""
        done = self.wardship("plan", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        digest: str = json.loads(done.stdout)["digest"]
        return digest[:12]

    # -- what is so ------------------------------------------------------------------------------

    def record(self) -> Record | None:
        """The newest change set as the journal has it; None before there is one."""
        if not (self.state / "journal.sqlite").exists():
            return None
        journal = SqlJournal(self.state / "journal.sqlite")
        try:
            records = journal.records()
            return records[-1] if records else None
        finally:
            journal.close()

    def the_record(self) -> Record:
        """The newest change set, which there is."""
        record = self.record()
        assert record is not None
        return record

    def reached(self, state: State, event: Event | None) -> bool:
        """Whether the journal has this line."""
        record = self.record()
        return record is not None and any(
            (entry.state, entry.event) == (state, event) for entry in record.entries
        )

    def host_says(self) -> dict[str, Any]:
        """The host program's own status."""
        found: dict[str, Any] = json.loads(self.run([PROGRAM, "status"]))
        return found

    def has_begun(self, phase: str) -> bool:
        """Whether the newest change's phase has begun, as the host's own disk has it."""
        return self.phase_file(phase) is not None

    def phase_file(self, phase: str) -> Path | None:
        """The host's record of a phase, looked at from outside: quicker than asking the host."""
        changes = self.demo.lab.paths.root(self.host) / "var/lib/wardship/changes"
        return next(changes.glob(f"*/phases/{phase}.json"), None)

    def release(self) -> str:
        """What runs, by the archive's own word."""
        return str(self.demo.rest(self.host).json("/system")["Version"])

    def is_open_to_modalities(self) -> bool:
        """Whether a connection from the modality's network is let in."""
        address = next(str(s.address) for s in HOSTS if s.name == self.host)
        code = f"import socket; socket.create_connection(('{address}', 4242), 2)"
        tried = self.demo.lab.exec([sys.executable, "-c", code], at=MODALITY_NAME, check=False)
        return tried.returncode == 0

    def report(self) -> dict[str, Any]:
        """The newest change's report, as JSON."""
        name = f"{self.the_record().change_set.id}.json"
        found: dict[str, Any] = json.loads((self.state / "reports" / name).read_text())
        return found

    def failed_checks(self, moment: str = "applied") -> list[str]:
        """The checks that did not pass then, by the journal's own document."""
        journal = SqlJournal(self.state / "journal.sqlite")
        try:
            body = journal.document(self.the_record().change_set.id, f"{moment}/{self.host}")
        finally:
            journal.close()
        results = json.loads(body)["results"] if body else []
        return [one["check"] for one in results if one["status"] != "passed"]

    # -- what is done to it ----------------------------------------------------------------------

    def break_(self, fault: str) -> None:
        """Arm a fault: it comes with the next release's start."""
        faults.break_(self.run, fault)

    @contextmanager
    def sending(self, directory: Path) -> Iterator[Path]:
        """A modality sends all the while; afterwards nothing that it got success for is missing."""
        manifest = directory / "acknowledged.jsonl"
        argv = [
            *self.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-m",
            "orchestrator.lab.modality", *self.demo.modality_argv(self.host),
            "--manifest", str(manifest), "--interval", "0.3", "--seed", str(time.time_ns()),
        ]  # fmt: skip
        with subprocess.Popen(argv, cwd=CHECKOUT) as process:
            try:
                wait_for("the modality's first image", lambda: count(manifest), seconds=60)
                yield manifest
                before = count(manifest)
                wait_for("an image after the change", lambda: count(manifest) > before, seconds=90)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        self.assert_nothing_lost(manifest)

    def assert_nothing_lost(self, manifest: Path) -> None:
        """Everything acknowledged, and everything that was there before, is there and the same."""
        objects = [*self.demo.objects(self.host), *modality.acknowledged(manifest)]
        assert len(objects) > len(self.demo.objects(self.host)), "the modality sent nothing"
        assert lost_from(self.demo.rest(self.host), objects) == []

    def assert_as_before(self) -> None:
        """The old release serves the clinic, and the host holds nothing back."""
        assert self.release() == "1.10.1"
        self._assert_open()

    def assert_committed(self, release: str = "1.12.7") -> None:
        """The new release serves the clinic, and the host holds nothing back."""
        assert self.release() == release
        self._assert_open()

    def _assert_open(self) -> None:
        says = self.host_says()
        assert (says["door"], says["hold"]) == ("open", False)
        assert self.is_open_to_modalities()


def count(manifest: Path) -> int:
    """How many images were acknowledged so far."""
    if not manifest.exists():
        return 0
    return sum(isinstance(line, Acknowledged) for line in modality.read(manifest))


def lab_name(of: str = "") -> str:
    """A lab's name that is this run's, and this worker's, own: ``WARDSHIP_TEST_LAB``, or tests."""
    run = os.environ.get("WARDSHIP_TEST_LAB", "tests")
    return f"{run}{os.environ.get('PYTEST_XDIST_WORKER', '')}{of}"


def make_lab(name: str, *hosts: str) -> Demo:
    """A lab with these hospitals in it."""
    lab = Lab(name, state=LABS, cache=CACHE, say=print)
    lab.down()
    demo = Demo(lab, say=print)
    demo.up(tuple(spec for spec in HOSTS if spec.name in hosts))
    return demo

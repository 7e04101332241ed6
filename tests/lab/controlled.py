"""A host under test and the ``wardship`` command that changes it, whatever product it has.

Journal and host records are read as they are, beside what the command says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from orchestrator.adapters.journal import SqlJournal
from orchestrator.lab.guest import Run
from orchestrator.lab.hospital import Lab
from orchestrator.rollout.model import Event, Record, State

CHECKOUT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("WARDSHIP_CACHE", Path.home() / ".cache" / "wardship"))
LABS = Path("/var/lib/wardship-lab")
PROGRAM = "/usr/local/lib/wardship/wardship-host"
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


class Controlled:
    """One host of a lab, and the fleet that declares it. ``patience``: of a command, in seconds."""

    patience = LONG

    def __init__(self, lab: Lab, host: str, *, facility: str, fleet: Path) -> None:
        self.lab, self.host, self.facility, self.fleet = lab, host, facility, fleet
        self.state = fleet / ".wardship"
        self.run: Run = lab.guest(host)

    # -- the command -----------------------------------------------------------------------------

    def argv(self, *arguments: str) -> list[str]:
        """``wardship`` in the controller's namespace."""
        program = [sys.executable, "-c", "from orchestrator.cli.app import main; main()"]
        return [*self.lab.enter_argv(), *program, "--fleet", str(self.fleet), *arguments]

    def wardship(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.argv(*arguments),
            cwd=CHECKOUT, capture_output=True, text=True, timeout=self.patience, check=False,
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

    @contextmanager
    def only_by(self, product: str, release: str, *origins: str) -> Iterator[None]:
        """Meanwhile the catalog knows no other way to a release than from these."""
        file = self.fleet / "catalog.yml"
        before = file.read_text()
        catalog = yaml.safe_load(before)
        catalog["products"][product]["releases"][release]["upgrades_from"] = list(origins)
        file.write_text(yaml.safe_dump(catalog, sort_keys=False))
        try:
            yield
        finally:
            file.write_text(before)

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
        changes = self.lab.paths.root(self.host) / "var/lib/wardship/changes"
        return next(changes.glob(f"*/phases/{phase}.json"), None)

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


def lab_name(of: str = "") -> str:
    """A lab's name that is this run's, and this worker's, own: ``WARDSHIP_TEST_LAB``, or tests."""
    run = os.environ.get("WARDSHIP_TEST_LAB", "tests")
    return f"{run}{os.environ.get('PYTEST_XDIST_WORKER', '')}{of}"

"""The host program on a real host: systemd, nftables, btrfs, crashes and reboots."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import count
from subprocess import PIPE
from typing import Any

import pytest

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.lab.guest import put
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import HostSpec, Login
from orchestrator.lab.run import until
from tests.lab import small_product
from tests.lab.controlled import CACHE, LABS, lab_name
from tests.lab.small_product import SERVICE

HOST = HostSpec("pacs-b", IPv4Address("10.77.0.12"), Login.SESSIONS)
PROGRAM = "/usr/local/lib/wardship/wardship-host"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 8042), 5).close()
except ConnectionRefusedError:
    sys.exit(7)
"""
TALK = """
import socket, sys
line = socket.create_connection((sys.argv[1], 8042), 5)
print("connected", flush=True)
sys.stdin.readline()
try:
    line.sendall(b"GET / HTTP/1.0" + bytes([13, 10, 13, 10]))
    print("answered" if line.recv(1) else "ended")
except ConnectionResetError:
    print("reset")
"""
REFUSED = 7
FORWARD = ("quiesce", "snapshot", "apply")


class Target:
    """A host with the small product, and a controller's calls to it."""

    def __init__(self, lab: Lab, spec: HostSpec = HOST, data: str = small_product.DATA) -> None:
        self.lab = lab
        self.spec, self.data = spec, data
        self.run = lab.guest(spec.name)
        self.numbers = count(1)
        self.change = ""
        self.epoch = 1

    def verb(self, *argv: str, stdin: bytes = b"", code: int = 0) -> Any:
        done = self.lab.run(self.spec.name, [PROGRAM, *argv], stdin=stdin, check=False, timeout=120)
        assert done.returncode == code, f"{argv}: {done.stdout} {done.stderr}"
        return json.loads(done.stdout)

    def prepare(self, **limits: int) -> None:
        """A fresh change, staged and prepared."""
        self.change = f"hospital-b-{next(self.numbers)}"
        small_product.stage(self.run, self.change, self.data)
        document = small_product.manifest(self.change, self.data, **limits)
        given = ("prepare", "--epoch", str(self.epoch))
        self.verb(*given, stdin=small_product.as_json(document))

    def phase(self, name: str, *, wait: float = 60, code: int = 0) -> Any:
        given = ("--change", self.change, "--epoch", str(self.epoch), "--wait", str(wait))
        return self.verb("phase", name, *given, code=code)

    def forward(self, *names: str) -> None:
        for name in names or FORWARD:
            report = self.phase(name)
            assert report["state"] == "succeeded", report

    def decide(self, proposal: str) -> Any:
        given = ("--change", self.change, "--epoch", str(self.epoch), "--by", "test")
        return self.verb("decide", *given, "--propose", proposal, "--because", "a test")

    def restore(self) -> None:
        self.decide("restore")
        self.forward("restore", "open")

    def hang(self, name: str, phase: str) -> None:
        """Start a phase that hangs at ``name``."""
        self.run(["touch", f"/run/hang-{name}"])
        assert self.phase(phase, wait=0)["state"] == "running"
        self.wait_for("/run/hanging")

    def wait_for(self, path: str) -> None:
        assert until(
            lambda: self.lab.run(self.spec.name, ["test", "-e", path], check=False).is_ok,
            timeout=20,
        )

    def crash_and_boot(self) -> None:
        self.lab.crash(self.spec.name)
        self.lab.boot(self.spec.name)
        self.lab.wait_ssh(self.spec.name)

    def text(self, *argv: str) -> str:
        return self.lab.run(self.spec.name, argv, check=False).stdout.strip()

    def about(self) -> Any:
        return self.verb("status", "--change", self.change)

    def truth(self) -> str:
        """Everything that a restore has to put back, as text."""
        listed = f"find {self.data} /etc/small /opt/small /etc/systemd/system/small.service"
        what = r"-printf '%p %y %m %u %g %s %l\n'"
        contents = f"cat /etc/small/settings {self.data}/schema {self.data}/objects/*"
        access = 'python3 -c \'import os; print(os.getxattr("/etc/small/settings", "user.site"))\''
        found = f"{listed} {what} | sort; {contents}; {access}"
        return self.text("sh", "-c", found)

    def starts_of_this_boot(self) -> set[str]:
        """Under which release, schema and settings the product started since the host booted."""
        boot = self.text("cat", "/proc/sys/kernel/random/boot_id")
        lines = self.text("cat", "/var/log/small/starts").splitlines()
        return {line.removeprefix(boot).strip() for line in lines if line.startswith(boot)}

    def answers(self, source: str) -> bool:
        """Does the port answer ``modality``, ``root`` or ``nobody`` (these over loopback)?"""
        python = [sys.executable if source == "modality" else "python3", "-c", CONNECT]
        if source == "modality":
            ended = self.lab.exec([*python, str(self.spec.address)], at="mod", check=False)
        else:
            argv = ["runuser", "-u", source, "--", *python, "127.0.0.1"]
            ended = self.lab.run(self.spec.name, argv, check=False)
        assert ended.returncode in (0, REFUSED), f"neither let in nor refused: {ended.stderr}"
        return ended.is_ok

    def who_is_let_in(self) -> set[str]:
        return {source for source in ("modality", "root", "nobody") if self.answers(source)}


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    lab = Lab(lab_name("program"), state=LABS, cache=CACHE)
    lab.down()
    try:
        lab.up([HOST])
        made = Target(lab)
        program = tmp_path_factory.mktemp("built") / "wardship-host"
        build_host_program(program)
        put(made.run, PROGRAM, program.read_bytes(), mode=0o755)
        small_product.install(made.run)
        yield made
    finally:
        lab.down()


@pytest.fixture(autouse=True)
def as_found(target: Target) -> Iterator[str]:
    """Each test begins and ends with the product as found, open to everybody."""
    before = target.truth()
    assert "old" in before
    yield before
    assert target.truth() == before
    assert target.who_is_let_in() == {"modality", "root", "nobody"}
    assert (target.about()["door"], target.about()["hold"]) == ("open", False)
    assert target.text("ls", f"/etc/systemd/system/{SERVICE}.d") == ""


def test_a_change_commits_and_is_put_back_later(target: Target) -> None:
    target.prepare()
    target.forward("quiesce")
    assert target.text("systemctl", "is-active", SERVICE) == "inactive"
    target.forward("snapshot", "apply")
    assert target.who_is_let_in() == {"root"}
    ran = target.text("cat", "/var/log/small/starts")
    for verb in ("start", "reload", "restart"):  # each flushes every table
        target.run(["systemctl", verb, "nftables"])
        assert target.about()["door"] == "shut"
    target.forward()
    assert target.text("cat", "/var/log/small/starts") == ran, "a second entry did something"
    proof = target.verb("prove", "--change", target.change, "--sample", "3", "--seed", "x")
    assert (proof["files"], proof["reread"]) == (2, 0)
    assert proof["missing"] == ["/data/small/objects/a"]
    assert target.decide("commit")["decision"] == "commit"
    assert target.decide("restore")["decision"] == "commit"
    target.forward("open")
    assert target.who_is_let_in() == {"modality", "root", "nobody"}
    assert target.text("curl", "-s", "http://127.0.0.1:8042/") == "2.0"
    given = ("--change", target.change, "--epoch", str(target.epoch), "--because", "a test")
    target.verb("reverse", *given)
    target.forward("restore", "open")


def test_a_takeover_kills_what_runs_and_the_old_controller_is_refused(target: Target) -> None:
    target.prepare()
    target.forward("quiesce", "snapshot")
    target.hang("apply-migrate", "apply")
    target.verb("take", "--epoch", str(target.epoch + 1))
    assert target.phase("apply", code=3)["refused"] == "epoch"
    target.epoch += 1
    target.restore()
    assert target.text("pgrep", "-f", "sleep 600") == ""
    target.run(["rm", "/run/hang-apply-migrate", "/run/hanging"])
    assert target.phase("apply")["state"] == "interrupted"
    evidence = f"/var/lib/wardship/changes/{target.change}/evidence"
    assert "new" in target.text("sh", "-c", f"cat {evidence}/paths/objects/*")
    failed = f"/data/.wardship/{target.change}/small.failed/schema"
    assert target.text("cat", failed) == "half"


def test_a_program_that_is_killed_is_interrupted_and_never_started_again(target: Target) -> None:
    target.prepare()
    target.forward("quiesce", "snapshot")
    target.hang("apply-migrate", "apply")
    unit = f"wardship-{target.change}-apply.service"
    target.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit])
    target.run(["rm", "/run/hang-apply-migrate", "/run/hanging"])
    assert target.phase("apply")["state"] == "interrupted"
    target.restore()


def test_a_phase_over_its_maximum_run_time_failed(target: Target) -> None:
    target.prepare(apply=2)
    target.forward("quiesce", "snapshot")
    target.run(["touch", "/run/hang-apply-migrate"])
    report = target.phase("apply")
    assert (report["state"], "maximum run time" in report["because"]) == ("failed", True)
    target.run(["rm", "/run/hang-apply-migrate", "/run/hanging"])
    target.restore()


@pytest.mark.parametrize(
    ("before", "phase", "name"),
    [
        (FORWARD[:1], "snapshot", "btrfs"),
        (FORWARD[:2], "apply", "apply-migrate"),
        (FORWARD, "restore", "restore-start"),
    ],
)
def test_a_host_that_crashes_is_restored_before_its_product_starts(
    target: Target, before: tuple[str, ...], phase: str, name: str
) -> None:
    target.prepare()
    target.forward(*before)
    if phase == "restore":
        target.decide("restore")
    target.hang(name, phase)
    target.crash_and_boot()
    assert until(lambda: bool(target.about()["changes"][0]["finished"]), timeout=30), target.about()
    about = target.about()["changes"][0]
    assert about["finished"]["end"] == "restored"
    assert about["needs"] == "nothing"
    assert target.starts_of_this_boot() == {"1.0 schema 1 settings old"}


def test_a_failed_restore_waits_behind_the_shut_door_for_a_person(target: Target) -> None:
    target.prepare()
    target.forward()
    target.run(["touch", "/etc/fail-restore-start"])
    target.decide("restore")
    assert target.phase("restore")["state"] == "failed"
    target.crash_and_boot()
    target.run(["systemctl", "start", SERVICE])
    assert target.text("systemctl", "is-active", SERVICE) == "inactive", "the hold let it start"
    listener = ["python3", "-m", "http.server", "8042"]
    target.run(["systemd-run", "--unit=listener", *listener])
    assert until(lambda: target.answers("root"), timeout=10)
    assert target.who_is_let_in() == {"root"}
    assert target.about()["changes"][0]["needs"] == "hands"
    target.run(["systemctl", "stop", "listener"])
    target.run(["rm", "/etc/fail-restore-start"])
    given = ("--change", target.change, "--epoch", str(target.epoch), "--reason", "by hand")
    target.verb("clear", *given)
    target.run(["systemctl", "start", SERVICE])
    assert until(lambda: target.answers("modality"), timeout=10)


def test_the_door_cuts_what_is_established(target: Target) -> None:
    target.prepare()
    argv = [*target.lab.enter_argv("mod"), sys.executable, "-c", TALK, str(HOST.address)]
    with subprocess.Popen(argv, stdin=PIPE, stdout=PIPE, text=True) as modality:
        assert modality.stdin is not None
        assert modality.stdout is not None
        assert modality.stdout.readline() == "connected\n"
        target.hang("quiesce-stop", "quiesce")
        assert target.text("systemctl", "is-active", SERVICE) == "active"
        modality.stdin.write("\n")
        modality.stdin.flush()
        assert modality.stdout.readline() == "reset\n"
    target.run(["rm", "/run/hang-quiesce-stop", "/run/hanging"])
    target.restore()

"""Two real hosts that change together: the line between them, either host, or nobody at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from itertools import count
from typing import Any

import pytest

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.lab.guest import put
from orchestrator.lab.hospital import Lab
from orchestrator.lab.run import until
from tests.lab import small_product
from tests.lab.controlled import CACHE, LABS, lab_name
from tests.lab.test_host_program import FORWARD, HOST, PROGRAM, Target
from tests.lab.ward import some

RIS = replace(HOST, name="ris-b", address=IPv4Address("10.77.0.22"))
PORT = 7710
NUMBERS = count(1)
#: How long the controller's checks may take in these changes, in seconds.
CHECKS = 3
#: How a change ends by what was decided; by nobody, the timer puts it back.
ENDS = {"": "restored", "commit": "committed", "restore": "restored"}
CUT = f"""table inet cut {{
  chain gone {{
    type filter hook input priority -50; policy accept;
    ip saddr {HOST.address} drop
  }}
}}
"""


class Pair:
    """A PACS, which decides, and a RIS, each with the small product."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.pacs, self.ris = Target(lab), Target(lab, RIS)
        self.both = (self.pacs, self.ris)

    def prepare(self) -> None:
        """A fresh change of both, under a key of its own."""
        change, key = f"hospital-b-{next(NUMBERS)}", secrets.token_hex(32)
        address = str(HOST.address)
        names = [one.spec.name for one in self.both]
        together = {"anchor": HOST.name, "address": address, "port": PORT, "hosts": names}
        for one in self.both:
            one.change = change
            small_product.stage(one.run, change)
            document = small_product.manifest(change, checks=CHECKS)
            document |= {"host": one.spec.name, "together": together, "key": key}
            given = ("prepare", "--epoch", str(one.epoch))
            one.verb(*given, stdin=small_product.as_json(document))

    def forward(self, *names: str) -> None:
        """Each phase on both before the next on any."""
        for name in names or FORWARD:
            for one in self.both:
                one.forward(name)

    def cut(self) -> None:
        """The RIS hears nothing more of the PACS."""
        self.lab.run(RIS.name, ["nft", "-f", "-"], stdin=CUT.encode())

    def mend(self) -> None:
        """It hears it again."""
        self.ris.run(["nft", "delete", "table", "inet", "cut"])

    def end(self, one: Target) -> str | None:
        """How the change ended on one of them, if it has."""
        finished = about(one)["finished"]
        return str(finished["end"]) if finished else None

    def wait_over(self, *which: Target, seconds: float = 90) -> set[str | None]:
        """Wait until it is over there; how it ended."""
        hosts = which or self.both
        ended = until(lambda: all(self.end(one) for one in hosts), timeout=seconds)
        assert ended, [about(one) for one in hosts]
        return {self.end(one) for one in hosts}


def about(one: Target) -> dict[str, Any]:
    (only,) = one.about()["changes"]
    found: dict[str, Any] = only
    return found


def is_shut(one: Target) -> bool:
    return bool(one.about()["door"] == "shut")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    lab = Lab(lab_name("together"), state=LABS, cache=CACHE)
    lab.down()
    try:
        lab.up([HOST, RIS])
        program = tmp_path_factory.mktemp("built") / "wardship-host"
        build_host_program(program)
        made = Pair(lab)
        for one in made.both:
            put(one.run, PROGRAM, program.read_bytes(), mode=0o755)
            small_product.install(one.run)
        yield made
    finally:
        lab.down()


@pytest.fixture(autouse=True)
def as_found(pair: Pair) -> Iterator[None]:
    """Each test ends with both as found, open to everybody, and nobody answering any more."""
    before = [one.truth() for one in pair.both]
    yield
    assert [one.truth() for one in pair.both] == before
    for one in pair.both:
        assert one.who_is_let_in() == {"modality", "root", "nobody"}
    assert until(lambda: not listens(pair.pacs), timeout=40), "the anchor still answers"


def listens(one: Target) -> bool:
    return bool(one.text("ss", "-Hltn", f"sport = :{PORT}"))


def put_back(pair: Pair) -> None:
    """What was committed goes back: the members first, where it is an intent."""
    for one in (pair.ris, pair.pacs):
        given = ("--change", one.change, "--epoch", str(one.epoch), "--because", "a test")
        one.verb("reverse", *given)
    for name in ("restore", "open"):
        for one in (pair.ris, pair.pacs):
            one.forward(name)


def test_what_the_anchor_decides_counts_on_both_and_so_does_going_back(pair: Pair) -> None:
    pair.prepare()
    for one in pair.both:
        assert one.verb("ready", "--change", one.change) == {"problems": [], "silence": ""}
    pair.forward()
    assert pair.ris.verb("decide", *proposal(pair.ris, "commit"), code=3)["refused"] == "order"
    assert pair.pacs.verb("decide", *proposal(pair.pacs, "commit"))["decision"] == "commit"
    pair.forward("open")
    for one in pair.both:
        assert one.text("curl", "-s", "http://127.0.0.1:8042/") == "2.0"
    put_back(pair)


def proposal(one: Target, decision: str) -> tuple[str, ...]:
    given = ("--change", one.change, "--epoch", str(one.epoch), "--by", "test")
    return (*given, "--propose", decision, "--because", "a test")


def test_a_cut_line_refuses_before_anything_is_felt(pair: Pair) -> None:
    pair.prepare()
    pair.cut()
    assert "timed out" in pair.ris.verb("ready", "--change", pair.ris.change)["silence"]
    pair.pacs.forward("quiesce")
    assert pair.ris.phase("quiesce", code=3)["refused"] == "anchor"
    assert not is_shut(pair.ris)
    pair.mend()
    pair.pacs.decide("restore")
    for name in ("restore", "open"):
        for one in (pair.ris, pair.pacs):
            one.forward(name)


@pytest.mark.parametrize("decided", some(ENDS, {"commit"}))
def test_a_line_that_is_cut_leaves_nobody_apart(pair: Pair, decided: str) -> None:
    """Before the decision, which the timer then makes, and after it."""
    pair.prepare()
    pair.forward()
    pair.cut()
    if decided:
        pair.pacs.decide(decided)
    if decided == "commit":
        pair.pacs.forward("open")
    assert pair.wait_over(pair.pacs, seconds=180) == {ENDS[decided]}
    assert until(lambda: bool(about(pair.ris)["waits"]), timeout=30)
    assert is_shut(pair.ris), "it went on without a word of its anchor"
    assert "pacs-b, which decides for this host, is not heard" in about(pair.ris)["waits"]
    told = pair.ris.verb("diagnose", "--change", pair.ris.change)["found"]
    assert about(pair.ris)["waits"] in told
    pair.mend()
    assert len(pair.wait_over(seconds=180)) == 1
    assert about(pair.ris)["waits"] == ""
    if decided == "commit":
        put_back(pair)


def test_nobody_comes_any_more_and_both_go_back(pair: Pair) -> None:
    pair.prepare()
    pair.forward()
    assert pair.wait_over() == {"restored"}
    said = pair.ris.verb("diagnose", "--change", pair.ris.change)["found"]
    assert any(one.startswith("pacs-b went back by itself") for one in said), said


@pytest.mark.parametrize("who", some(["pacs", "ris"], {"pacs"}))
def test_a_host_that_crashes_before_the_decision_takes_both_back(pair: Pair, who: str) -> None:
    pair.prepare()
    pair.forward("quiesce", "snapshot")
    crashed = pair.pacs if who == "pacs" else pair.ris
    crashed.hang("apply-migrate", "apply")
    crashed.crash_and_boot()
    assert pair.wait_over() == {"restored"}
    assert crashed.starts_of_this_boot() == {"1.0 schema 1 settings old"}
    decision = about(pair.ris)["decision"]
    assert decision["by"] == "boot"
    assert decision["because"].startswith("ris-b: " if who == "ris" else "the host went down")


@pytest.mark.parametrize("who", some(["pacs", "ris"], {"ris"}))
def test_a_host_that_crashes_after_the_decision_keeps_to_it(pair: Pair, who: str) -> None:
    pair.prepare()
    pair.forward()
    pair.pacs.decide("commit")
    crashed = pair.pacs if who == "pacs" else pair.ris
    crashed.crash_and_boot()
    assert pair.wait_over(seconds=180) == {"committed"}
    assert crashed.starts_of_this_boot() == {"2.0 schema 2 settings new"}
    put_back(pair)


@pytest.mark.full
def test_both_crash_and_both_go_back(pair: Pair) -> None:
    pair.prepare()
    pair.forward()
    for one in pair.both:
        pair.lab.crash(one.spec.name)
    pair.lab.boot(RIS.name)
    pair.lab.wait_ssh(RIS.name)
    assert not until(lambda: pair.end(pair.ris) is not None, timeout=10), "it decided by itself"
    assert is_shut(pair.ris)
    pair.lab.boot(HOST.name)
    pair.lab.wait_ssh(HOST.name)
    assert pair.wait_over() == {"restored"}

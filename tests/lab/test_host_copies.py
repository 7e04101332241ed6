"""The host program on file systems that cannot snapshot: ext4 copied, xfs by sharing blocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.lab.guest import put
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import PLAIN_HOST
from orchestrator.lab.run import until
from tests.lab import small_product
from tests.lab.controlled import CACHE, LABS, lab_name
from tests.lab.test_host_program import FORWARD, PROGRAM, Target

#: Where the product's volume is, and whether its blocks are shared.
FILESYSTEMS = {"ext4": ("/index/small", False), "xfs": ("/fast/small", True)}
NUMBERS = count(1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(lab_name("copies"), state=LABS, cache=CACHE)
    lab.down()
    try:
        lab.up([PLAIN_HOST])
        program = tmp_path_factory.mktemp("built") / "wardship-host"
        build_host_program(program)
        put(lab.guest(PLAIN_HOST.name), PROGRAM, program.read_bytes(), mode=0o755)
        yield lab
    finally:
        lab.down()


@pytest.fixture(params=FILESYSTEMS)
def target(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Target]:
    """The product as found; it is so again at the end."""
    data, _ = FILESYSTEMS[request.param]
    made = Target(lab, PLAIN_HOST, data)
    made.numbers = NUMBERS
    made.run(["rm", "-rf", data, "/opt/small"])
    small_product.install(made.run, data)
    # What only a careful copy keeps: a hole, a hard link, an access list's attribute.
    odd = f"cd {data} && truncate -s 64M hole && ln hole twin && chown nobody: hole"
    made.run(["sh", "-c", odd])
    mark = f"import os; os.setxattr('{data}/schema', 'user.site', b'C')"
    made.run(["python3", "-c", mark])
    before = made.truth()
    yield made
    assert made.truth() == before
    assert made.who_is_let_in() == {"modality", "root", "nobody"}


def kept(target: Target) -> tuple[str, ...]:
    """What the odd files are: blocks taken, one inode, an attribute."""
    data = target.data
    ask = f"import os; print(os.getxattr('{data}/schema', 'user.site'))"
    inodes = target.text("stat", "-c", "%i", f"{data}/hole", f"{data}/twin").split()
    taken = target.text("stat", "-c", "%b", f"{data}/hole")
    return taken, str(inodes[0] == inodes[1]), target.text("python3", "-c", ask)


def test_a_copied_change_commits_and_is_put_back_whole(target: Target) -> None:
    odd = kept(target)
    assert odd == ("0", "True", "b'C'")
    target.prepare()
    target.forward()
    proof = target.verb("prove", "--change", target.change, "--sample", "1", "--seed", "x")
    assert (proof["files"], proof["reread"]) == (2, 0)
    assert proof["missing"] == [f"{target.data}/objects/a"]
    target.decide("commit")
    target.forward("open")
    given = ("--change", target.change, "--epoch", str(target.epoch), "--because", "a test")
    target.verb("reverse", *given)
    target.forward("restore", "open")
    assert kept(target) == odd
    proof = target.verb("prove", "--change", target.change, "--sample", "1", "--seed", "x")
    assert (proof["files"], proof["reread"], proof["missing"]) == (2, 0, [])


def test_blocks_are_shared_where_the_file_system_can(target: Target) -> None:
    shared = dict(FILESYSTEMS.values())[target.data]
    target.prepare()
    target.forward("quiesce", "snapshot")
    listing = f"/var/lib/wardship/changes/{target.change}/listings/small"
    lines = [json.loads(line) for line in target.text("cat", listing).splitlines()[1:]]
    hashed = {line[0] for line in lines if line[5]}
    assert ("objects/b" in hashed) == (not shared)
    target.restore()


def test_a_host_that_crashes_in_the_copy_is_as_before_and_copies_anew(target: Target) -> None:
    target.prepare()
    target.forward("quiesce")
    target.hang("sync", "snapshot")
    target.crash_and_boot()
    assert until(lambda: bool(target.about()["changes"][0]["finished"]), timeout=30)
    assert target.about()["changes"][0]["finished"]["end"] == "restored"
    given = ("--change", target.change, "--epoch", str(target.epoch))
    target.verb("cleanup", *given)
    kept = Path(target.data).parent / ".wardship" / target.change
    assert target.text("ls", str(kept)) == "", "cleanup left something of the copy"
    target.prepare()
    target.forward(*FORWARD)
    target.restore()


def test_too_little_room_refuses_before_anything_is_felt(target: Target) -> None:
    top = str(Path(target.data).parent)
    free = int(target.text("df", "--output=avail", "-B1", top).splitlines()[-1])
    target.run(["fallocate", "-l", str(free - (200 << 20)), f"{top}/full"])
    target.prepare()
    refused = target.phase("quiesce", code=3)
    assert f"MiB free, a copy of {target.data} needs" in refused["because"]
    assert target.text("systemctl", "is-active", small_product.SERVICE) == "active"
    target.run(["rm", f"{top}/full"])

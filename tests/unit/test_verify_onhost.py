"""The host as the checks see it: what a command's end means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.verify.onhost import HostRefused, OnHost
from orchestrator.verify.outcome import Unknown
from tests.fakes.pacs import FakePacs
from tests.fakes.scene import Scene

Ran = SimpleNamespace


def ended(rc: int = 0, stdout: str = "", stderr: str = "") -> Ran:
    return Ran(rc=rc, stdout=stdout, stderr=stderr)


class Shell:
    """Testinfra's host, as far as it is used; ssh that fails is testinfra's own exception."""

    def __init__(self, answer: Callable[[str], Ran]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def run(self, command: str) -> Ran:
        self.asked.append(command)
        found = self.answer(command)
        if found.rc == 255:
            raise RuntimeError(found)
        return found


def on_host(answer: Callable[[str], Ran], tmp_path: Path) -> OnHost:
    with FakePacs() as pacs:
        request = Scene(pacs, tmp_path).request()
    return OnHost(request, shell=Shell(answer))


def test_output_is_given(tmp_path: Path) -> None:
    assert on_host(lambda _: ended(stdout="yes\n"), tmp_path).run("echo", "a b") == "yes\n"


def test_a_command_that_failed_is_unknown(tmp_path: Path) -> None:
    host = on_host(lambda _: ended(rc=1, stderr="first\nlast\n"), tmp_path)
    with pytest.raises(Unknown, match="df on pacs-a: last"):
        host.run("df")


def test_a_host_that_is_gone_is_asked_once_and_again_when_it_matters(tmp_path: Path) -> None:
    up = False
    host = on_host(lambda _: ended() if up else ended(rc=255, stderr="timed out"), tmp_path)
    for _ in range(2):
        with pytest.raises(Unknown, match="pacs-a cannot be reached: timed out"):
            host.run("df")
    assert host.shell.asked == ["df"]
    assert not host.answers()
    up = True
    assert host.answers()
    assert host.run("df") == ""


def test_the_program_is_asked_about_this_change(tmp_path: Path) -> None:
    host = on_host(lambda _: ended(stdout='{"files": 3}'), tmp_path)
    assert host.program("prove", sample=0) == {"files": 3}
    assert host.shell.asked[0].endswith("wardship-host prove --change c1 --sample 0")


def test_a_refusal_says_which(tmp_path: Path) -> None:
    said = '{"refused": "order", "because": "there is no snapshot"}'
    with pytest.raises(HostRefused, match="no snapshot") as refused:
        on_host(lambda _: ended(rc=3, stdout=said), tmp_path).program("prove")
    assert refused.value.kind == "order"


@pytest.mark.parametrize(
    "answer",
    [
        ended(rc=1, stdout='{"because": "psql"}'),
        ended(rc=0, stdout="{"),
        ended(rc=0, stdout="[]"),
        ended(rc=127, stderr="not found"),
        ended(rc=255, stderr="lost"),
    ],
)
def test_no_whole_answer_is_unknown(tmp_path: Path, answer: Ran) -> None:
    with pytest.raises(Unknown):
        on_host(lambda _: answer, tmp_path).program("census")


def test_sizes_and_hashes_are_by_path_in_the_volume(tmp_path: Path) -> None:
    def answer(command: str) -> Ran:
        assert command.startswith("cd /data/live && ")
        if "find ./orthanc " in command:
            return ended(stdout="12 ./orthanc/a/b\n0 ./orthanc/c d\n")
        return ended(rc=1, stdout="0cc1  orthanc/a/b\n")  # md5sum: another one is missing

    host = on_host(answer, tmp_path)
    assert host.sizes(["orthanc"]) == {"orthanc/a/b": 12, "orthanc/c d": 0}
    assert host.md5(["orthanc/a/b", "orthanc/gone"]) == {"orthanc/a/b": "0cc1"}

"""What a host's answer means to the rollout, and what is not written to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.adapters.ansible import AnsibleRunner, HostOutcome
from orchestrator.adapters.facility import FacilityHosts
from orchestrator.adapters.orders import manifest
from orchestrator.adapters.ssh import Broken, Done, HostProgram, Refused, Reply, Unreachable
from orchestrator.fleet.model import StateVolume
from orchestrator.host.manifest import parse
from orchestrator.plan.model import Brought, ChangeSet
from orchestrator.rollout.ports import Superseded
from tests.crash.change_sets import change_set

SET = change_set()
NOT_THERE = Broken(because="pacs-a: sh: not found", exit_code=127)
SUDO_NOT_THERE = Broken(because="sudo: wardship-host: command not found", exit_code=1)


class Host:
    """Answers by verb; writes down what was asked, Ansible's runs among them."""

    def __init__(self, **answers: Reply) -> None:
        self.answers, self.asked = answers, list[str]()
        #: The releases that Ansible was asked about, and what each precheck says against.
        self.releases, self.against = list[str](), dict[str, tuple[str, ...]]()

    def call(self, host: str, arguments: Sequence[str], **_: Any) -> Reply:
        """The host program."""
        self.asked.append(arguments[0])
        return self.answers.get(arguments[0], Done(data={}))

    def run(
        self, verb: str, *, hosts: Sequence[str], extra_vars: dict[str, Any], **_: Any
    ) -> dict[str, HostOutcome]:
        """Ansible."""
        self.asked.append(f"ansible {verb}")
        release = str(extra_vars["wardship_to_release"])
        self.releases.append(release)
        reasons = self.against.get(release, ())
        return {host: HostOutcome(host=host, status="done", refusals=reasons) for host in hosts}

    def as_hosts(self) -> FacilityHosts:
        """The port over this."""
        return FacilityHosts(
            ansible=cast(AnsibleRunner, self),
            program=cast(HostProgram, self),
            inventory=lambda _: Path("inventory"),
            gates=lambda _: (),
            depot=Path("depot"),
            host_program=Path("wardship-host"),
        )


def test_a_host_is_told_the_epoch_before_anything_is_written() -> None:
    host = Host()
    assert host.as_hosts().stage(SET, epoch=3) == ()
    assert host.asked == ["take", "status", "ansible stage", "prepare"]


@pytest.mark.parametrize("absent", [NOT_THERE, SUDO_NOT_THERE])
def test_a_host_that_was_never_staged_is_staged(absent: Broken) -> None:
    host = Host(take=absent)
    assert host.as_hosts().stage(SET, epoch=3) == ()
    assert host.asked == ["take", "ansible stage", "prepare"]


def test_what_another_change_holds_is_not_written_to() -> None:
    held = Done(data={"changes": [{"change": "other-1", "needs": "hands"}]})
    host = Host(status=held)
    assert host.as_hosts().stage(SET, epoch=3) == ("pacs-a: change other-1 is not finished there",)
    assert "ansible stage" not in host.asked


def test_what_another_controller_holds_is_not_written_to() -> None:
    host = Host(take=Refused(refused="epoch", because="9 is known"))
    with pytest.raises(Superseded, match="9 is known"):
        host.as_hosts().stage(SET, epoch=3)
    assert host.asked == ["take"]


@pytest.mark.parametrize(
    "reply", [Unreachable(because="cut"), Broken(because="no password for sudo", exit_code=1)]
)
def test_only_a_report_says_that_a_phase_failed(reply: Reply) -> None:
    said = Host(phase=reply).as_hosts().phase(SET, SET.anchor, "apply", epoch=3)
    assert said.state == "unreachable"


def test_the_manifest_is_one_that_the_host_program_takes() -> None:
    host = SET.anchor.model_copy(update={"paths": ("/opt/fake/current",)})
    assert parse(manifest(SET, host)).change_set == SET.id


def test_an_archive_that_no_precheck_looked_at_refuses() -> None:
    images = StateVolume(name="images", path="/images", kind="archive", objects=("stored",))
    host = SET.anchor.model_copy(update={"volumes": (*SET.anchor.volumes, images)})
    with_archive = SET.model_copy(update={"hosts": (host,)})
    told = [one.because for one in Host().as_hosts().preflight(with_archive)]
    assert "nobody looked at the archives" in told
    told = [one.because for one in Host().as_hosts().preflight(SET)]
    assert "nobody looked at the archives" not in told


def by_hops() -> ChangeSet:
    """The same change, by another release."""
    hop = Brought(release="1.5", artifact=SET.anchor.artifact)
    host = SET.anchor.model_copy(update={"hops": (hop,)})
    return SET.model_copy(update={"hosts": (host,)})


def test_the_ordered_release_is_staged_first_and_the_host_asked_before_each() -> None:
    host = Host()
    assert host.as_hosts().stage(by_hops(), epoch=3) == ()
    assert host.releases == [SET.anchor.to_release, "1.5"]
    assert host.asked == [*["take", "status", "ansible stage"] * 2, "prepare"]


def test_what_speaks_against_a_release_on_the_way_names_it_once() -> None:
    host, ordered = Host(), SET.anchor.to_release
    host.against = {ordered: ("a job is under way",), "1.5": ("a job is under way", "no module")}
    told = [one.because for one in host.as_hosts().preflight(by_hops())]
    assert told == ["a job is under way", "on the way, at 1.5: no module"]


def a_pair() -> ChangeSet:
    """A PACS, which decides, and a RIS."""
    pacs = SET.anchor.model_copy(update={"paths": ("/opt/fake/current",)})
    ris = pacs.model_copy(update={"host": "ris-a", "address": "192.0.2.2"})
    return SET.model_copy(update={"hosts": (pacs, ris)})


class Both(Host):
    """Two hosts; writes down whom was told what."""

    def __init__(self, **answers: Reply) -> None:
        super().__init__(**answers)
        self.told = list[tuple[str, ...]]()
        self.given = list[dict[str, Any]]()

    def call(self, host: str, arguments: Sequence[str], **more: Any) -> Reply:
        """The host program."""
        self.told.append((host, *arguments))
        if arguments[0] == "prepare":
            self.given.append(json.loads(more["stdin"]))
        return super().call(host, arguments, **more)


def test_hosts_of_a_set_are_given_one_key_that_is_nobody_elses() -> None:
    both, again = Both(), Both()
    assert both.as_hosts().stage(a_pair(), epoch=3) == ()
    again.as_hosts().stage(a_pair(), epoch=3)
    keys = [one["key"] for one in (*both.given, *again.given)]
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert keys[0] not in str(both.told)
    assert all(parse({k: v for k, v in one.items() if k != "key"}).together for one in both.given)


def test_a_host_that_changes_alone_has_no_key() -> None:
    alone = Both()
    alone.as_hosts().stage(SET, epoch=3)
    assert "key" not in alone.given[0]
    assert "together" not in alone.given[0]


def test_what_the_anchor_said_is_handed_on() -> None:
    both = Both(decide=Done(data={"decision": "commit", "said": "its word"}))
    assert both.as_hosts().decide(a_pair(), "commit", epoch=3, because="").decision == "commit"
    assert [one[0] for one in both.told] == ["pacs-a", "ris-a"]
    assert both.told[1][1:] == ("heed", "--change", SET.id, "--epoch", "3", "--said", "its word")


def test_a_host_that_does_not_hear_its_anchor_is_told_and_asked_again() -> None:
    deaf = Both(
        phase=Refused(refused="anchor", because="pacs-a is not heard"),
        said=Done(data={"said": "its word"}),
    )
    said = deaf.as_hosts().phase(a_pair(), a_pair().members[0], "restore", epoch=3)
    assert (said.state, said.because) == ("unreachable", "pacs-a is not heard")
    assert [one[:2] for one in deaf.told] == [
        ("ris-a", "phase"), ("pacs-a", "said"), ("ris-a", "heed"), ("ris-a", "phase"),
    ]  # fmt: skip


def test_who_decides_for_others_is_given_back_last() -> None:
    both = Both()
    assert both.as_hosts().clear(a_pair(), epoch=3, reason="mended") == ()
    assert [one[0] for one in both.told if one[1] == "clear"] == ["ris-a", "pacs-a"]


def test_no_host_is_given_back_while_another_does_not_answer() -> None:
    both = Both(status=Unreachable(because="cut"))
    told = both.as_hosts().clear(a_pair(), epoch=3, reason="mended")
    assert told == ("pacs-a: cut", "ris-a: cut")
    assert [one for one in both.told if one[1] == "clear"] == []


READY = Done(data={"problems": [], "silence": ""})


@pytest.mark.parametrize(
    ("reply", "gate", "because"),
    [
        (
            Done(data={"problems": [], "silence": "timed out"}), "anchor",
            "it does not hear pacs-a, which decides for it: timed out",
        ),
        (Done(data={"problems": ["no room"], "silence": ""}), "ready", "no room"),
        (Done(data={"problems": []}), "anchor", "which decides for it: None"),
        (Done(data={"silence": ""}), "ready", "no problems told"),
        (Unreachable(because="cut"), "ready", "whether it can begin is not known: cut"),
    ],
)  # fmt: skip
def test_what_would_stop_one_host_of_a_set_refuses_for_all(
    reply: Reply, gate: str, because: str
) -> None:
    told = [one for one in Both(ready=reply).as_hosts().preflight(a_pair()) if one.gate == gate]
    assert {one.host for one in told} == {"pacs-a", "ris-a"}
    assert all(because in one.because for one in told)


def test_hosts_that_hear_one_another_are_ready() -> None:
    told = Both(ready=READY).as_hosts().preflight(a_pair())
    assert {one.gate for one in told} == {"precheck"}


def test_a_host_that_changes_alone_is_not_asked() -> None:
    alone = Both()
    alone.as_hosts().preflight(SET)
    assert "ready" not in alone.asked

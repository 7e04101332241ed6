"""The verbs of the host program on a host that obeys the real rules."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.host import main as command
from orchestrator.host import units
from orchestrator.host.change import load, look
from orchestrator.host.host import Host
from orchestrator.host.phases import Unit
from orchestrator.host.work import Work
from tests.fakes.linux_host import LinuxHost, install_product, manifest, stage

CHANGE = "hospital-a-1"
FORWARD = ("quiesce", "snapshot", "apply")


class Caller:
    """A controller: calls verbs as ssh would, with an epoch."""

    def __init__(self, machine: LinuxHost, capsys: pytest.CaptureFixture[str]) -> None:
        self.machine = machine
        self.epoch = 1
        self._capsys = capsys

    def __call__(self, *argv: str, code: int = 0) -> Any:
        assert command.main(argv, host=Host(self.machine)) == code, self._capsys.readouterr().out
        return json.loads(self._capsys.readouterr().out)

    def phase(self, name: str, *, change: str = CHANGE, code: int = 0, wait: str = "99") -> Any:
        given = ("--change", change, "--epoch", str(self.epoch), "--wait", wait)
        return self("phase", name, *given, code=code)

    def decide(self, proposal: str, *, code: int = 0, because: str = "a check failed") -> Any:
        given = ("--change", CHANGE, "--epoch", str(self.epoch), "--by", "controller")
        return self("decide", *given, "--propose", proposal, "--because", because, code=code)

    def needs(self) -> str:
        return str(self("status", "--change", CHANGE)["changes"][0]["needs"])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LinuxHost:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = LinuxHost(tmp_path)
    install_product(made)
    stage(made)
    return made


@pytest.fixture
def call(
    machine: LinuxHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Caller:
    caller = Caller(machine, capsys)
    prepare(caller, monkeypatch, manifest())
    return caller


def prepare(call: Caller, monkeypatch: pytest.MonkeyPatch, document: Any, *, code: int = 0) -> Any:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document)))
    return call("prepare", "--epoch", str(call.epoch), code=code)


def forward(call: Caller, *names: str) -> None:
    for name in names or FORWARD:
        assert call.phase(name)["state"] == "succeeded"


def test_a_commit_leaves_the_new_release_open(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    assert call.decide("commit")["decision"] == "commit"
    assert call.phase("open")["state"] == "succeeded"
    assert (call("status")["door"], call("status")["hold"]) == ("open", False)
    assert set(machine.running.values()) == {"2.0"}
    assert machine.at("/etc/pacs/pacs.json").read_text() == "settings of 2.0"


def test_from_quiesce_on_a_product_does_not_start_by_itself(
    call: Caller, machine: LinuxHost
) -> None:
    left_over = machine.at("/run/wardship/may-start")
    left_over.parent.mkdir(parents=True)
    left_over.write_text("")
    forward(call, "quiesce")
    assert not machine.start_service("pacs.service")
    forward(call, "snapshot", "apply")
    assert machine.start_service("pacs.service"), "a phase allowed it"
    call.decide("commit")
    call.phase("open")
    assert not left_over.exists(), "the next change has a hold of its own"


def test_what_died_before_open_is_started_again(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("commit")
    machine.running.pop("pacs.service")
    call.phase("open")
    assert set(machine.running) == {"db.service", "pacs.service"}


def test_a_restore_leaves_everything_as_before(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("restore")
    assert call.phase("restore")["state"] == "succeeded"
    assert call("status")["door"] == "shut"
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before
    assert not machine.at("/etc/systemd/system/pacs.service.d").exists()


def test_a_path_that_was_not_there_before_is_gone_after_a_restore(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    machine.at("/etc/pacs-licence").write_text("bought with 2.0")
    call.decide("restore")
    call.phase("restore")
    assert not machine.at("/etc/pacs-licence").exists()
    kept = machine.at(f"/var/lib/wardship/changes/{CHANGE}/evidence/paths/index.json").read_text()
    assert "pacs-licence" in kept


def test_the_failed_state_and_the_first_cause_are_kept(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("restore", because="qido answered 404")
    call.decide("restore", because="something later")
    call.phase("restore")
    assert machine.at(f"/data/.wardship/{CHANGE}/live.failed/schema").read_text() == "2"
    about = call("status")["changes"][0]
    assert about["decision"]["because"] == "qido answered 404"
    assert (Path(about["evidence"]) / "journal.log").read_text() == "the services' last words\n"


def test_nothing_can_start_a_product_while_it_is_put_back(
    call: Caller, machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward(call)
    call.decide("restore")
    started = []
    effect = machine.disk.effect

    def somebody_starts_it(what: str, path: Path) -> None:
        if path.name in ("live", "live.failed"):
            started.append(machine.start_service("pacs.service"))
        effect(what, path)

    monkeypatch.setattr(machine.disk, "effect", somebody_starts_it)
    assert call.phase("restore")["state"] == "succeeded"
    assert set(started) == {False}


def test_a_failed_state_that_leaves_no_room_gives_way(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("restore")
    machine.room = 1000
    assert call.phase("restore")["state"] == "succeeded"
    assert not machine.at(f"/data/.wardship/{CHANGE}/live.failed").exists()
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before


def test_what_was_acknowledged_since_the_commit_never_gives_way(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    call("reverse", "--change", CHANGE, "--epoch", "1", "--because", "a doctor called")
    machine.room = 1000
    assert call.phase("restore")["state"] == "succeeded"
    assert machine.at(f"/data/.wardship/{CHANGE}/live.failed").exists()


def test_room_is_kept_back_for_a_restore_on_a_full_disk(call: Caller, machine: LinuxHost) -> None:
    ballast = machine.at("/var/lib/wardship/ballast")
    machine.room = 1000
    assert "too little room" in call.phase("quiesce", code=3)["because"]
    machine.room = 1 << 40
    forward(call, "quiesce")
    assert ballast.stat().st_blocks * 512 >= ballast.stat().st_size == 16 * 1024 * 1024
    call.decide("restore")
    assert not ballast.exists()


def test_a_commit_gives_the_room_back(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    assert not machine.at("/var/lib/wardship/ballast").exists()


def test_the_first_decision_wins(call: Caller) -> None:
    forward(call)
    assert call.decide("restore")["decision"] == "restore"
    assert call.decide("commit")["decision"] == "restore"


def test_what_was_not_applied_is_not_committed(call: Caller) -> None:
    forward(call, "quiesce", "snapshot")
    assert call.decide("commit", code=3)["refused"] == "order"


def test_a_lower_epoch_is_refused_by_every_mutating_verb(call: Caller, machine: LinuxHost) -> None:
    call("take", "--epoch", "7")
    effects = len(machine.disk.effects)
    old = ("--epoch", "6")
    change = ("--change", CHANGE)
    for argv in (
        ("take", *old),
        ("phase", "quiesce", *change, *old),
        ("decide", *change, *old, "--propose", "restore", "--by", "x", "--because", "y"),
        ("reverse", *change, *old, "--because", "y"),
        ("clear", *change, *old, "--reason", "y"),
        ("cleanup", *change, *old),
    ):
        assert call(*argv, code=3)["refused"] == "epoch"
    assert len(machine.disk.effects) == effects


def test_what_is_staged_is_on_its_disk_before_prepare_is_done(
    machine: LinuxHost, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.fails_to_sync = True
    refused = prepare(Caller(machine, capsys), monkeypatch, manifest(), code=1)
    assert refused["because"] == "not everything is on its disk: Input/output error"
    (written,) = machine.synced
    assert {machine.at(path) for path in ("/var/lib/wardship/changes", "/opt/pacs")} <= written


@pytest.mark.parametrize("phase", ["apply", "restore"])
def test_a_phase_has_not_succeeded_before_what_its_scripts_wrote_is_on_its_disk(
    phase: str, call: Caller, machine: LinuxHost
) -> None:
    forward(call, *(FORWARD[:2] if phase == "apply" else FORWARD))
    if phase == "restore":
        call.decide("restore")
    machine.fails_to_sync = True
    report = call.phase(phase)
    assert (report["state"], report["because"]) == (
        "failed",
        "not everything is on its disk: Input/output error",
    )
    assert machine.at("/data/live") in machine.synced[-1]


def test_a_higher_epoch_is_kept(call: Caller) -> None:
    call.epoch = 9
    call.phase("quiesce")
    assert call("status")["epoch"] == 9


def test_a_second_call_reports_and_starts_nothing(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    ran = list(machine.ran)
    assert [call.phase(name)["state"] for name in FORWARD] == ["succeeded"] * 3
    assert machine.ran == ran


def test_a_phase_that_runs_is_waited_for_and_reported(call: Caller, machine: LinuxHost) -> None:
    machine.hanging.add(f"wardship-{CHANGE}-quiesce.service")
    assert call.phase("quiesce", wait="0.5")["state"] == "running"
    assert call.phase("quiesce", wait="0.5")["state"] == "running"
    machine.hanging.clear()
    assert call.phase("quiesce")["state"] == "succeeded"
    assert machine.ran == ["stop 1.0 in quiesce"]


def test_a_phase_that_ends_while_it_is_looked_at_is_not_taken_for_dead(
    call: Caller, machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = f"wardship-{CHANGE}-quiesce.service"
    machine.hanging.add(unit)
    call.phase("quiesce", wait="0")
    really = units.look

    def late(system: LinuxHost, name: str) -> Unit:
        machine.hanging.clear()
        machine.sleep(1)  # it ends between the look at its record and the look at its unit
        return really(system, name)

    monkeypatch.setattr(units, "look", late)
    assert look(load(Host(machine), CHANGE), "quiesce")[0] == "succeeded"


def test_a_takeover_kills_what_runs_and_restores(call: Caller, machine: LinuxHost) -> None:
    forward(call, "quiesce", "snapshot")
    unit = f"wardship-{CHANGE}-apply.service"
    machine.hanging.add(unit)
    call.phase("apply", wait="0")
    call.epoch = 2
    call.decide("restore")
    assert call.phase("restore")["state"] == "succeeded"
    assert machine.units[unit] == ("failed", "signal")
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before
    call.epoch = 1
    assert call.phase("apply", code=3)["refused"] == "epoch"


def test_a_phase_over_its_maximum_run_time_failed(call: Caller, machine: LinuxHost) -> None:
    unit = f"wardship-{CHANGE}-quiesce.service"
    machine.hanging.add(unit)
    call.phase("quiesce", wait="0")
    machine.units[unit] = ("failed", "timeout")
    report = call.phase("quiesce")
    assert (report["state"], report["because"]) == (
        "failed",
        "its maximum run time of 120 s was reached",
    )


def test_a_failing_script_fails_its_phase_with_its_last_words(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call, "quiesce", "snapshot")
    machine.failing.add("migrate in apply")
    report = call.phase("apply")
    assert report["state"] == "failed"
    assert "migrate was told to fail" in report["because"]


def test_a_release_that_cannot_be_stopped_is_restored_all_the_same(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    machine.failing.add("stop in restore")
    call.decide("restore")
    assert call.phase("restore")["state"] == "succeeded"
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before
    assert set(machine.running.values()) == {"1.0"}


def test_an_open_that_died_when_all_was_done_does_nothing_again(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    path = machine.at(f"/var/lib/wardship/changes/{CHANGE}/phases/open.json")
    path.write_text(path.read_text().replace('"succeeded"', '"started"'))
    ran = list(machine.ran)
    assert (call.phase("open")["state"], machine.ran) == ("succeeded", ran)


def test_a_release_that_cannot_even_be_killed_needs_hands(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    machine.unstoppable.add("pacs.service")
    call.decide("restore")
    assert "pacs.service is active" in call.phase("restore")["because"]
    assert call.needs() == "hands"
    assert machine.at("/data/live/schema").read_text() == "2", "nothing was swapped under it"


def test_a_phase_that_was_about_to_begin_sees_the_decision(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call, "quiesce")
    machine.hanging.add(f"wardship-{CHANGE}-snapshot.service")
    call.phase("snapshot", wait="0")
    call.decide("restore")
    machine.hanging.clear()
    report = call.phase("snapshot")
    assert (report["state"], "the decision is restore" in report["because"]) == ("failed", True)
    assert not machine.at("/data/.wardship").exists()


def test_an_open_that_failed_is_past_once_the_change_is_put_back(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    call.decide("commit")
    machine.running.pop("pacs.service")
    machine.failing.add("start in open")
    assert (call.phase("open")["state"], call.needs()) == ("failed", "hands")
    call("reverse", "--change", CHANGE, "--epoch", "1", "--because", "it does not start")
    assert call.needs() == "restore"
    call.phase("restore")
    assert call.needs() == "open"
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before


def test_a_host_that_boots_undecided_says_who_decided(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    machine.cut_and_boot()
    about = call("status")["changes"][0]
    assert (about["decision"]["decision"], about["decision"]["by"]) == ("restore", "boot")
    assert about["finished"]["end"] == "restored"


def test_without_a_snapshot_only_the_start_follows(call: Caller, machine: LinuxHost) -> None:
    forward(call, "quiesce")
    call.decide("restore")
    call.phase("restore")
    call.phase("open")
    assert not machine.at("/data/.wardship").exists()
    assert machine.running == {"db.service": "1.0", "pacs.service": "1.0"}


def test_what_had_not_begun_is_left_alone(call: Caller, machine: LinuxHost) -> None:
    call.decide("restore")
    assert [call.phase(name)["state"] for name in ("restore", "open")] == ["succeeded"] * 2
    assert (machine.ran, call.needs()) == ([], "nothing")
    assert call.phase("quiesce", code=3)["refused"] == "decided"


def test_a_host_that_boots_without_any_change_does_nothing(call: Caller) -> None:
    assert call("boot") == {"found": None, "did": []}


def test_a_service_that_does_not_stop_fails_quiesce(call: Caller, machine: LinuxHost) -> None:
    process = machine.at("/proc/4711")
    (process / "fd").mkdir(parents=True)
    (process / "maps").write_text("")
    (process / "comm").write_text("orphan\n")
    (process / "cwd").symlink_to("/")
    (process / "root").symlink_to("/")
    (process / "fd" / "3").symlink_to("/data/live/objects/a (deleted)")
    report = call.phase("quiesce")
    assert report["state"] == "failed"
    assert "process 4711 (orphan) holds /data/live/objects/a" in report["because"]


def test_a_restore_that_fails_needs_hands_and_can_be_run_again(
    call: Caller, machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward(call)
    call.decide("restore")
    machine.failing.add("start in restore")
    assert call.phase("restore")["state"] == "failed"
    assert call.needs() == "hands"
    assert call.phase("open", code=3)["refused"] == "order"
    other = manifest("hospital-a-2")
    assert prepare(call, monkeypatch, other, code=3)["refused"] == "locked"
    machine.cut_and_boot()
    assert (call.needs(), call("status")["door"], machine.running) == ("hands", "shut", {})
    machine.failing.clear()
    assert call.phase("restore")["state"] == "succeeded"
    call.phase("open")
    assert machine.snapshot_of_truth() == machine.truth_before


def test_what_failed_its_checks_after_a_restore_stays_shut_over_a_boot(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    call.decide("restore")
    assert call.phase("restore")["state"] == "succeeded"
    call("hands", "--change", CHANGE, "--epoch", "1", "--because", "files are missing")
    machine.cut_and_boot()
    assert (call.needs(), call("status")["door"], machine.running) == ("hands", "shut", {})


def test_a_change_that_is_over_has_nothing_to_take_over(call: Caller) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    given = ("--change", CHANGE, "--epoch", "1", "--reason", "mended by hand")
    assert call("clear", *given)["because"] == "nothing was left to do"
    assert call("status")["changes"][0]["finished"]["end"] == "committed"


def test_a_person_takes_over_what_needs_hands(call: Caller, machine: LinuxHost) -> None:
    given = ("--change", CHANGE, "--epoch", "1", "--reason", "mended by hand")
    forward(call)
    call.decide("restore")
    machine.failing.add("start in restore")
    call.phase("restore")
    assert call("clear", *given)["because"] == "mended by hand"
    assert (call("status")["door"], call("status")["hold"]) == ("open", False)
    assert call.needs() == "nothing"
    assert call.phase("restore", code=3)["refused"] == "order"


def test_a_committed_change_is_reversed(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    call("reverse", "--change", CHANGE, "--epoch", "1", "--because", "a doctor called")
    assert call.needs() == "restore"
    assert call.phase("restore")["state"] == "succeeded"
    assert (call("status")["door"], call("status")["hold"]) == ("shut", True)
    assert call.phase("open")["state"] == "succeeded"
    assert machine.snapshot_of_truth() == machine.truth_before
    assert call("status")["changes"][0]["finished"]["end"] == "restored"


def test_cleanup_keeps_the_records_and_ends_the_way_back(call: Caller, machine: LinuxHost) -> None:
    cleanup = ("cleanup", "--change", CHANGE, "--epoch", "1")
    forward(call)
    assert call(*cleanup, code=3)["refused"] == "order"
    call.decide("commit")
    call.phase("open")
    assert call(*cleanup) == call(*cleanup)
    assert not machine.at(f"/data/.wardship/{CHANGE}").exists()
    assert not machine.at(f"/var/lib/wardship/changes/{CHANGE}/saved").exists()
    back = ("reverse", "--change", CHANGE, "--epoch", "1", "--because", "too late")
    assert call(*back, code=3)["refused"] == "order"
    assert call("status")["changes"][0]["finished"]["end"] == "committed"


def test_prepare_again_is_no_change_and_another_is_refused_while_one_is_under_way(
    call: Caller, machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(call, monkeypatch, manifest())
    stage(machine, "hospital-a-2")
    prepare(call, monkeypatch, manifest("hospital-a-2"))
    forward(call, "quiesce")
    assert prepare(call, monkeypatch, manifest("hospital-a-3"), code=3)["refused"] == "locked"
    assert call.phase("quiesce", change="hospital-a-2", code=3)["refused"] == "locked"


def test_only_the_newest_change_is_reversed(
    call: Caller, machine: LinuxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward(call)
    call.decide("commit")
    call.phase("open")
    stage(machine, "hospital-a-2")
    younger = {**manifest("hospital-a-2"), "from_release": "2.0"}
    prepare(call, monkeypatch, younger)
    call.phase("quiesce", change="hospital-a-2")
    back = ("reverse", "--change", CHANGE, "--epoch", "1", "--because", "too late")
    assert call(*back, code=3)["refused"] in ("locked", "order")


@pytest.mark.parametrize(
    ("break_", "told"),
    [
        (lambda d: (d / "scripts/migrate").unlink(), "script migrate of 2.0 is missing"),
        (lambda d: (d / "files/pacs/pacs.json").rename(d / "x"), ""),
        (lambda d: (d / "files/pacs").rename(d / "x"), "files/pacs of 2.0 is not staged"),
    ],
)
def test_what_is_missing_is_told_before_the_clinic_feels_anything(
    call: Caller, machine: LinuxHost, break_: Any, told: str
) -> None:
    break_(machine.at(f"/var/lib/wardship/changes/{CHANGE}"))
    if told:
        assert told in call.phase("quiesce", code=3)["because"]
        assert machine.table is None
        assert call("status")["changes"][0]["phases"] == []
    else:
        forward(call)


def test_objects_are_proved_against_the_snapshot(call: Caller, machine: LinuxHost) -> None:
    forward(call)
    machine.at("/data/live/objects/new").write_text("sent since")
    machine.at("/data/live/objects/b").write_text("imagf b")
    proof = call("prove", "--change", CHANGE, "--sample", "5", "--seed", "7")
    assert (proof["files"], proof["added"]) == (2, 1)
    assert proof["missing"] == ["/data/live/objects/a"]
    assert proof["differing"] == ["/data/live/objects/b"]
    assert [each["path"] for each in proof["sample"]] == ["/data/live/objects/b"]


def test_the_scripts_of_the_controller_are_asked(call: Caller, machine: LinuxHost) -> None:
    assert call("census", "--change", CHANGE) == {"studies": []}
    assert call("forget", "--change", CHANGE, "--study", "2.25.1") == {"forgotten": "2.25.1"}
    machine.failing.add("census in census")
    assert call("census", "--change", CHANGE, code=1)["failed"] == "census"


def test_an_unreadable_record_is_never_taken_for_a_change_that_did_not_begin(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call, "quiesce")
    machine.at(f"/var/lib/wardship/changes/{CHANGE}/phases/quiesce.json").write_text("{")
    assert "not a record" in call.phase("quiesce", code=1)["because"]


def test_an_unknown_change_and_wrong_words_are_told_apart(
    call: Caller, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call.phase("quiesce", change="another", code=3)["refused"] == "unknown-change"
    assert call.phase("quiesce", change="../../etc", code=3)["refused"] == "unknown-change"
    with pytest.raises(SystemExit) as ended:
        command.main(["phase", "nonsense"])
    assert ended.value.code == 64
    assert "wrong" in json.loads(capsys.readouterr().out)


def test_what_is_mounted_in_a_declared_path_is_refused_before_anything_is_felt(
    call: Caller, machine: LinuxHost
) -> None:
    keys = machine.at("/etc/pacs/keys/archive")  # of that name, the fake's other disk
    keys.mkdir(parents=True)
    refused = call.phase("quiesce", code=3)
    assert "another file system is mounted at /etc/pacs/keys/archive" in refused["because"]
    assert machine.table is None


def test_a_name_that_is_no_text_does_not_stop_what_tells_it(
    call: Caller, machine: LinuxHost
) -> None:
    forward(call)
    work = Work(load(Host(machine), CHANGE), "restore")
    work.note("still there: M\udcfcller")
    assert "M\\udcfcller" in work.change.paths.log("restore").read_text()

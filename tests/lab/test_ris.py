"""A RIS on a real host: GNU Health 4.4.1 to 5.0.6 is one way, so only a restore goes back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from orchestrator.lab import ris_faults
from orchestrator.lab.radiology import FOUND
from orchestrator.rollout.model import State
from tests.lab.controlled import lab_name, wait_for
from tests.lab.ris import Ris, make_ris

#: The fault, and the checks of which one must be named as the cause; none where it does not start.
BROKEN: dict[str, set[str]] = {
    "wrong-database": {"gnuhealth-search", "records-kept"},
    "orders-lost": {"gnuhealth-search", "records-kept"},
    "field-lost": {"gnuhealth-search", "records-kept"},
    "rights-lost": {"gnuhealth-search"},
    "demo-account": {"gnuhealth-accounts"},
    "old-code": set(),
    "does-not-start": set(),
}


@pytest.fixture(scope="module")
def hospital() -> Iterator[Ris]:
    """A lab of its own, with the RIS alone."""
    ris = make_ris(lab_name("ris"))
    try:
        yield ris
    finally:
        ris.lab.down()


@pytest.fixture
def ris(hospital: Ris) -> Ris:
    """The RIS as found: 4.4.1 with its records, no journal, 5.0.6 mandated."""
    hospital.reset()
    return hospital


@pytest.mark.full
def test_a_migration_is_committed_and_put_back_on_demand(ris: Ris) -> None:
    before, counted = ris.read(), ris.census()
    done = ris.wardship("run", ris.plan())
    assert done.returncode == 0, done.stdout + done.stderr
    ris.assert_serves("5.0.6")
    compared = ris.wardship("reconcile", counted, ris.census())
    assert compared.returncode == 0, compared.stdout + compared.stderr
    version, patients, orders = ris.read()
    assert version.startswith("7.0.")
    assert [one["puid"] for one in patients] == [one["puid"] for one in before[1]]
    assert orders == before[2]
    change = ris.the_record().change_set.id
    back = ris.wardship("restore", change, "--reason", "the radiologists want it back")
    assert back.returncode == 0, back.stdout + back.stderr
    assert ris.the_record().state is State.RESTORED
    ris.assert_as_before(before)


@pytest.mark.full
def test_a_migration_that_is_killed_is_put_back_and_never_resumed(ris: Ris) -> None:
    before = ris.read()
    plan = ris.plan()
    with ris.start("run", plan) as controller:
        try:
            wait_for_migration(ris, controller)
            ris.run(["pkill", "-KILL", "-f", "trytond-admin"])
            output, _ = controller.communicate(timeout=ris.patience)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    assert ris.the_record().state is State.RESTORED
    ris.assert_as_before(before)


@pytest.mark.full
def test_a_host_that_crashes_in_the_migration_serves_the_old_release(ris: Ris) -> None:
    before = ris.read()
    with ris.start("run", ris.plan()) as controller:
        try:
            wait_for_migration(ris, controller)
            ris.lab.crash(ris.host)
            ris.lab.boot(ris.host)
            ris.lab.wait_ssh(ris.host)
            output, _ = controller.communicate(timeout=ris.patience)
        finally:
            controller.kill()
    assert controller.returncode == 40, output
    ris.assert_as_before(before)


@pytest.mark.full
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_release_is_put_back(fault: str, ris: Ris) -> None:
    before = ris.read()
    plan = ris.plan()
    ris.break_(fault)
    done = ris.wardship("run", plan)
    assert done.returncode == 40, done.stdout + done.stderr
    assert ris_faults.has_happened(ris.run), "the fault was never there: this proves nothing"
    record = ris.the_record()
    assert record.state is State.RESTORED, record.cause
    ris.assert_as_before(before)
    named = BROKEN[fault]
    if named:
        assert named & set(ris.failed_checks()), (record.cause, ris.failed_checks())
        assert any(check in record.cause for check in named), record.cause
    else:
        assert "apply" in record.cause, record.cause
    if fault == "old-code":
        assert "4.4.1" in record.cause, record.cause


@pytest.mark.full
def test_what_was_written_since_a_commit_is_told_when_it_is_put_back(ris: Ris) -> None:
    before = ris.read()
    assert ris.wardship("run", ris.plan()).returncode == 0
    order = "update gnuhealth_imaging_test_request set comment = 'new', write_date = now()"
    words = ["psql", "-XqAt", "-d", "gnuhealth", "-c", f"{order} where id = 1"]
    ris.run(["runuser", "-u", "postgres", "--", *words])
    change = ris.the_record().change_set.id
    back = ris.wardship("restore", change, "--reason", "the radiologists want it back")
    assert back.returncode == 50, back.stdout + back.stderr
    assert "gnuhealth_imaging_test_request (changed)" in back.stdout + back.stderr
    # A second try does not know more, and must not say that nothing was written.
    assert ris.wardship("restore", change, "--reason", "again").returncode == 50
    ris.run(["touch", f"/var/lib/wardship/changes/{change}/written-accepted"])
    opened = ris.wardship("restore", change, "--reason", "entered anew by hand")
    assert opened.returncode == 0, opened.stdout + opened.stderr
    ris.assert_as_before(before)


@pytest.mark.full
def test_old_code_on_the_migrated_database_is_told_with_its_cause(ris: Ris) -> None:
    assert ris.wardship("run", ris.plan()).returncode == 0
    ris.run(["ln", "-sfn", FOUND, "/opt/gnuhealth/current"])
    ris.run(["systemctl", "restart", "gnuhealth"])
    told = ris.wardship("survey")
    assert "the database is of GNU Health 5.0, release 4.4.1 cannot read all of it" in told.stdout


@pytest.mark.full
def test_a_hop_in_code_alone_follows_the_migration(ris: Ris) -> None:
    orders = ris.read()[2]
    for release in ("5.0.0", "5.0.6"):
        ris.mandate(release)
        done = ris.wardship("run", ris.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        ris.assert_serves(release)
        assert ris.read()[2] == orders


@pytest.mark.full
def test_two_hops_are_one_change(ris: Ris) -> None:
    before = ris.read()
    with ris.only_by("gnuhealth", "5.0.6", "5.0.0"):
        done = ris.wardship("run", ris.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        ris.assert_serves("5.0.6")
        assert ris.read()[2] == before[2]
        record = ris.the_record()
        assert record.change_set.anchor.way == "4.4.1 → 5.0.0 → 5.0.6"
        back = ris.wardship("restore", record.change_set.id, "--reason", "they want it back")
        assert back.returncode == 0, back.stdout + back.stderr
        ris.assert_as_before(before)


def wait_for_migration(ris: Ris, controller: subprocess.Popen[str]) -> None:
    """Wait until a migration is half way; a controller that has ended has its say."""

    def is_half_way() -> bool:
        ended = controller.poll()
        assert ended is None, f"it ended with {ended} before: {controller.communicate()[0]}"
        return is_migrating(ris)

    wait_for("a migration half way", is_half_way, seconds=600)


def is_migrating(ris: Ris) -> bool:
    """Tryton is at work, and has committed some module already."""
    record = f"{ris.radiology.hospital.live}/wardship-database.json"
    look = (
        f"grep -qs migrating {record} && pgrep -f '[t]rytond-admin' >/dev/null && echo yes || true"
    )
    if ris.run(["sh", "-c", look]).strip() != b"yes":
        return False
    columns = (
        "select count(*) from information_schema.columns"
        " where table_name = 'gnuhealth_patient' and column_name = 'party'"
    )
    words = ["runuser", "-u", "postgres", "--", "psql", "-XqAt", "-d", "gnuhealth", "-c", columns]
    return ris.run(words).strip() == b"1"

"""The journal refuses old epochs, holds facilities, and keeps a restore's first cause."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.adapters.journal import SqlJournal
from orchestrator.errors import MachineError, PlanError, RestoreError
from orchestrator.rollout.model import Outcome, State
from orchestrator.rollout.ports import Superseded
from tests.crash.change_sets import change_set, plan

AT = datetime(2026, 1, 1, tzinfo=UTC)
ONE = change_set().id


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    made = SqlJournal(tmp_path / "state" / "journal.sqlite")
    made.admit(plan(), runner="process 1", at=AT)
    yield made
    made.close()


def end(journal: SqlJournal, state: State, outcome: Outcome, to: State, *, epoch: int) -> None:
    journal.end(ONE, state, outcome, to, epoch=epoch, at=AT, seconds=1.0)


def test_nobody_else_may_read_it(journal: SqlJournal) -> None:
    assert stat.S_IMODE(journal.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.file.parent.stat().st_mode) == 0o700


def test_an_admitted_change_set_begins_with_staging(journal: SqlJournal) -> None:
    record = journal.record(ONE)
    assert (record.state, record.change_set) == (State.STAGING, change_set())


def test_a_second_plan_for_a_held_facility_is_refused_and_names_the_holder(
    journal: SqlJournal,
) -> None:
    with pytest.raises(PlanError, match=r"hospital-a is held by .*0001 \(staging, run by pro"):
        journal.admit(plan(change_set("hospital-a-0002")), runner="process 2", at=AT)


def test_a_plan_is_admitted_whole_or_not_at_all(journal: SqlJournal) -> None:
    other = change_set("hospital-b-0001", "hospital-b")
    with pytest.raises(PlanError):
        journal.admit(plan(other, change_set("hospital-a-0002")), runner="process 2", at=AT)
    assert [record.change_set.id for record in journal.records()] == [ONE]


def test_what_needs_hands_still_holds_its_facility(journal: SqlJournal) -> None:
    epoch = journal.claim("hospital-a", runner="process 1")
    end(journal, State.RESTORING, Outcome.failed("no"), State.NEEDS_HANDS, epoch=epoch)
    with pytest.raises(PlanError, match="needs hands"):
        journal.admit(plan(change_set("hospital-a-0002")), runner="process 2", at=AT)


def test_what_ended_well_lets_its_facility_go_but_is_not_run_twice(journal: SqlJournal) -> None:
    epoch = journal.claim("hospital-a", runner="process 1")
    end(journal, State.REOPENING, Outcome.done(), State.RESTORED, epoch=epoch)
    with pytest.raises(PlanError, match="was run before and ended restored"):
        journal.admit(plan(), runner="process 2", at=AT)
    journal.admit(plan(change_set("hospital-a-0002")), runner="process 2", at=AT)


def test_a_write_under_an_old_epoch_is_refused(journal: SqlJournal) -> None:
    old = journal.claim("hospital-a", runner="process 1")
    assert journal.claim("hospital-a", runner="process 2") == old + 1
    with pytest.raises(Superseded, match="taken over by process 2"):
        journal.begin(ONE, State.STAGING, epoch=old, at=AT)
    with pytest.raises(Superseded):
        end(journal, State.STAGING, Outcome.done(), State.PREFLIGHT, epoch=old)
    assert journal.record(ONE).state is State.STAGING


def test_what_hosts_remember_is_counted_on_from(journal: SqlJournal) -> None:
    journal.adopt("hospital-a", at_least=41)
    assert journal.claim("hospital-a", runner="process 1") == 42
    journal.adopt("hospital-a", at_least=7)
    assert journal.claim("hospital-a", runner="process 1") == 43


def test_the_first_cause_stays(journal: SqlJournal) -> None:
    epoch = journal.claim("hospital-a", runner="process 1")
    end(journal, State.VERIFYING, Outcome.failed("lost"), State.REVERTING, epoch=epoch)
    end(journal, State.RESTORING, Outcome.failed("later"), State.NEEDS_HANDS, epoch=epoch)
    assert journal.record(ONE).cause == "lost"


def test_an_abort_is_refused_once_it_is_decided(journal: SqlJournal) -> None:
    epoch = journal.claim("hospital-a", runner="process 1")
    end(journal, State.COMMITTING, Outcome.done(), State.OPENING, epoch=epoch)
    with pytest.raises(PlanError, match="cannot be stopped any more"):
        journal.request_abort(ONE)


def test_a_journal_of_a_newer_wardship_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    SqlJournal(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    with pytest.raises(PlanError, match=r"newer wardship \(schema 99, ours 1\)"):
        SqlJournal(file)
    assert file.read_bytes() == before


def test_a_file_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    file.write_bytes(b"not a database" * 100)
    with pytest.raises(PlanError, match="cannot be used as a journal"):
        SqlJournal(file)
    assert file.read_bytes() == b"not a database" * 100


def test_a_truncated_journal_is_refused_and_left_alone(journal: SqlJournal) -> None:
    journal.close()
    whole = journal.file.read_bytes()
    journal.file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PlanError, match=r"damaged|cannot be used as a journal: .*malformed"):
        SqlJournal(journal.file)
    assert journal.file.read_bytes() == whole[: len(whole) // 2]


def test_a_journal_with_a_page_overwritten_is_refused(journal: SqlJournal) -> None:
    journal.close()
    pages = bytearray(journal.file.read_bytes())
    pages[4096:8192] = b"\xff" * 4096
    journal.file.write_bytes(pages)
    with pytest.raises(PlanError, match=r"damaged|cannot be used as a journal"):
        SqlJournal(journal.file)


def test_a_database_that_is_no_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE something (else_ TEXT)")
    before = file.read_bytes()
    with pytest.raises(PlanError, match="it has no table change_sets"):
        SqlJournal(file)
    assert file.read_bytes() == before


def test_the_journal_of_another_fleet_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    SqlJournal(file, fleet="north").close()
    SqlJournal(file, fleet="north").close()
    with pytest.raises(PlanError, match="the journal of the fleet north, and this one is south"):
        SqlJournal(file, fleet="south")


def test_a_journal_from_before_fleets_were_written_down_takes_the_name(
    journal: SqlJournal,
) -> None:
    journal.close()
    SqlJournal(journal.file, fleet="north").close()
    with pytest.raises(PlanError, match="the journal of the fleet north"):
        SqlJournal(journal.file, fleet="south")


def test_a_journal_that_cannot_be_written_says_so(
    journal: SqlJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(MachineError, match="cannot be opened: Read-only file system"):
        SqlJournal(journal.file)


def test_a_write_that_fails_is_told_with_the_file(journal: SqlJournal) -> None:
    with sqlite3.connect(journal.file) as db:
        db.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entries "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    epoch = journal.claim("hospital-a", runner="process 1")
    with pytest.raises(RestoreError, match=r"journal\.sqlite: what happens .* disk is full"):
        journal.begin(ONE, State.STAGING, epoch=epoch, at=AT)

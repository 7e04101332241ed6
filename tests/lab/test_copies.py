"""A hospital whose file systems cannot snapshot: its index copied, its images held in place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.rollout.model import State
from tests.lab.controlled import lab_name
from tests.lab.pacs import Pacs, make_lab

HOST = "pacs-c"


@pytest.fixture(scope="module")
def plain_hospital() -> Iterator[Pacs]:
    demo = make_lab(lab_name("copies"), HOST)
    try:
        yield Pacs(demo, HOST)
    finally:
        demo.lab.down()


@pytest.fixture
def plain(plain_hospital: Pacs) -> Pacs:
    """As found: its index on one ext4, its images on another."""
    plain_hospital.reset()
    return plain_hospital


def delete_a_study(plain: Pacs) -> None:
    """Somebody deletes, under the new release, a study that was there before the change."""
    rest, known = plain.demo.rest(plain.host), plain.demo.objects(plain.host)[0]
    found = json.loads(rest.post("/tools/lookup", known.study.encode()))
    (deleted,) = (one["ID"] for one in found if one["Type"] == "Study")
    rest.post(f"/studies/{deleted}", b"", method="DELETE")


@pytest.mark.full
def test_a_change_commits_and_what_came_since_is_found_after_going_back(
    plain: Pacs, tmp_path: Path
) -> None:
    preview = " ".join(plain.wardship("plan").stdout.split())
    assert "/index/live copied and read back" in preview
    assert "/images held by second names, never copied" in preview
    with plain.sending(tmp_path):
        done = plain.wardship("run", plain.plan())
        assert done.returncode == 0, done.stdout + done.stderr
        plain.assert_committed()
    change = plain.the_record().change_set.id
    delete_a_study(plain)
    with plain.sending(tmp_path):
        back = plain.wardship("restore", change, "--reason", "the radiologists want it back")
        assert back.returncode == 0, back.stdout + back.stderr
        assert plain.the_record().state is State.RESTORED
    plain.assert_as_before()
    log = f"/var/lib/wardship/changes/{change}/phases/restore.log"
    told = plain.run(["cat", log]).decode()
    (back_again,) = re.findall(r"/images .*; deleted since and back again: (\d+)", told)
    assert int(back_again) > 0
    assert "in no index: /images/orthanc/" in told


@pytest.mark.full
def test_a_broken_release_is_put_back_and_nothing_is_lost(plain: Pacs, tmp_path: Path) -> None:
    plan = plain.plan()
    plain.break_("wrong-ae")
    with plain.sending(tmp_path):
        done = plain.wardship("run", plan)
        assert done.returncode == 40, done.stdout + done.stderr
    assert plain.the_record().state is State.RESTORED
    assert "dicom-echo" in plain.failed_checks()
    assert plain.failed_checks("restored") == []
    plain.assert_as_before()

"""``wardship role`` and ``wardship fleet schema``: what they write, say, and refuse."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.fleet.schema import schemas
from tests.cli.conftest import Wardship


def test_a_role_is_begun_checked_and_says_what_is_left(wardship: Wardship, tmp_path: Path) -> None:
    begun = wardship("role", "new", "small", "--kind", "ris", "--to", str(tmp_path))
    assert begun.code == 0, begun.err
    assert "no change with it begins until it is written" in begun.last
    found = wardship("role", "check", str(tmp_path / "small"))
    assert found.code == 0, found.err
    assert "not written: small/module_utils/small_product.py:18: running: say how" in found.out
    assert found.last.startswith("small keeps the contract; 9 parts are not written")


def test_a_breach_that_only_ansible_lint_sees_is_told_in_json(
    wardship: Wardship, tmp_path: Path
) -> None:
    wardship("role", "new", "small", "--kind", "ris", "--to", str(tmp_path))
    tasks = tmp_path / "small" / "tasks" / "cleanup.yml"
    tasks.write_text(tasks.read_text().replace("- name: Remove the artifact\n  ", "- "))
    found = wardship("--json", "role", "check", str(tmp_path / "small"))
    assert found.code == 10
    (only,) = json.loads(found.out)["error"]["details"]
    assert only.startswith("small/tasks/cleanup.yml:2: name[missing]")


def test_what_is_no_role_is_refused(wardship: Wardship, tmp_path: Path) -> None:
    found = wardship("role", "check", str(tmp_path))
    assert found.code == 10
    assert "no directory tasks in it" in found.err


def test_an_unknown_kind_is_refused_and_nothing_is_written(
    wardship: Wardship, tmp_path: Path
) -> None:
    found = wardship("role", "new", "small", "--kind", "toaster", "--to", str(tmp_path / "here"))
    assert found.code == 10
    assert "there are pacs, ris, viewer, os" in found.err
    assert not (tmp_path / "here").exists()


def test_schemas_are_listed_shown_and_written(wardship: Wardship, tmp_path: Path) -> None:
    assert "facility.schema.json · facilities/*.yml" in wardship("fleet", "schema").out
    shown = wardship("--json", "fleet", "schema", "mandate")
    assert json.loads(shown.out)["title"] == "Mandate"
    written = wardship("fleet", "schema", "--to", str(tmp_path / "new"))
    assert "# yaml-language-server: $schema=" in written.last
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == schemas()
    assert wardship("fleet", "schema", "hospital").code == 10

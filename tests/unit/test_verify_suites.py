"""The catalogue and the functions that are collected say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import FleetError
from orchestrator.verify import checks
from orchestrator.verify.suites import (
    ALWAYS,
    CATALOGUE,
    SUITES,
    expected_checks,
    role_check_ids,
)

ALL = tuple(sorted(SUITES))


def test_the_catalogue_and_the_functions_agree() -> None:
    declared = [spec.id for spec in CATALOGUE]
    assert sorted(declared) == sorted(role_check_ids(Path(checks.__file__).parent))
    assert len(set(declared)) == len(declared)


def test_a_check_lies_in_the_file_that_its_suite_may_use() -> None:
    files = {
        path.stem.removeprefix("test_") for path in Path(checks.__file__).parent.glob("test_*")
    }
    assert files == SUITES


@pytest.mark.parametrize("spec", CATALOGUE, ids=lambda spec: spec.id)
def test_each_says_in_a_sentence_what_it_protects(spec) -> None:  # type: ignore[no-untyped-def]
    assert spec.protects.endswith(".")
    assert len(spec.protects.split()) > 4


def test_only_what_needs_a_snapshot_waits_for_one() -> None:
    later = {spec.id for spec in CATALOGUE if spec.at != ALWAYS}
    assert later == {"archive-files"}
    assert "archive-files" not in expected_checks(ALL, "baseline")
    assert "archive-files" in expected_checks(ALL, "restored")


def test_the_services_are_looked_at_last() -> None:
    assert expected_checks(ALL, "applied")[-1] == "service-active"


def test_what_a_new_study_pushes_out_is_counted_after_it() -> None:
    order = expected_checks(ALL, "applied")
    counting = ("census-index", "census-product", "archive-files", "retrieve-same")
    assert all(order.index("dicom-round-trip") < order.index(check) for check in counting)


def test_only_the_selected_suites_are_expected() -> None:
    assert expected_checks(["dicomweb"], "applied") == ("dicomweb-qido", "dicomweb-wado")


def test_a_suite_that_does_not_exist_is_refused() -> None:
    with pytest.raises(FleetError, match="hl7"):
        expected_checks(["dicom", "hl7"], "applied")


def test_a_roles_checks_come_after_ours(tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_running_version(): ...\ndef help(): ...\n")
    assert expected_checks(["dicomweb"], "applied", role_checks=tmp_path) == (
        "dicomweb-qido",
        "dicomweb-wado",
        "running-version",
    )


@pytest.mark.parametrize(
    "source",
    [
        "def test_dicom_echo(): ...",
        "def test_a(): ...\ndef test_a(): ...",
        "def other(): ...",
        "def (",
    ],
)
def test_a_roles_checks_that_cannot_be_counted_are_refused(tmp_path: Path, source: str) -> None:
    (tmp_path / "test_own.py").write_text(source)
    with pytest.raises(FleetError):
        expected_checks(ALL, "applied", role_checks=tmp_path)


def test_a_directory_without_checks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="no check"):
        expected_checks(ALL, "applied", role_checks=tmp_path)

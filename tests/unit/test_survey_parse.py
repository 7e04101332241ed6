"""A host's answer becomes a survey only if it is whole and speaks of that host."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.survey.parse import facility_survey, host_survey

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def answer(**changed: Any) -> dict[str, Any]:
    survey: dict[str, Any] = {
        "host": "pacs-a", "product": "orthanc", "release": "1.10.1", "running": None,
        "config_hash": "0", "os": "Debian", "python": "3.11.2", "services": [],
    }  # fmt: skip
    volume = {
        "name": "live", "path": "/data/live", "filesystem": "btrfs", "is_subvolume": True,
        "size": 2, "free": 1,
    }  # fmt: skip
    return {"survey": survey, "volumes": [volume], "problems": ["web service: silent"]} | changed


def test_a_whole_answer_is_a_survey_with_its_problems() -> None:
    found = facility_survey(
        "hospital-a", {"pacs-a": answer()}, failures={"pacs-b": "unreachable"}, taken_at=NOW
    )
    assert found.host("pacs-a").release == "1.10.1"
    assert found.host("pacs-a").running is None
    assert found.host("pacs-a").volumes[0].free == 1
    assert found.problems == ("pacs-b: unreachable", "pacs-a: web service: silent")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"survey": None}, "the survey gave no answer"),
        ({"survey": {"host": "pacs-a"}}, "release: Field required"),
        ({"survey": answer()["survey"] | {"odd": 1}}, "odd: Extra inputs are not permitted"),
        ({"survey": answer()["survey"] | {"host": "pacs-b"}}, "another host: pacs-b"),
        ({"volumes": []}, "names no volume"),
        ({"volumes": None}, "names no volume"),
    ],
)
def test_anything_else_is_a_problem_and_no_survey(changed: dict[str, Any], told: str) -> None:
    survey, problems = host_survey("pacs-a", answer(**changed))
    assert survey is None
    assert any(told in problem for problem in problems), problems

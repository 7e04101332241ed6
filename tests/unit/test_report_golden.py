"""A restore's report, word by word: a change of it is seen and meant."""

from __future__ import annotations

from orchestrator.report.build import build
from orchestrator.report.html import to_html
from tests.builders_report import restored
from tests.golden import assert_golden


def test_the_report_of_a_restore_is_as_written() -> None:
    report = build(*restored(), timezone="Africa/Mbabane", title="District Hospital B")
    assert_golden("report_restored.html", to_html(report))
    assert_golden("report_restored.json", report.model_dump_json(indent=1) + "\n")

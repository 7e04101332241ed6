"""A plan as a person sees it before anything happens."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.plan.make import make_plan
from orchestrator.plan.preview import preview
from orchestrator.plan.preview_lines import lines
from tests.builders import (
    NOW,
    a_facility_survey,
    a_fleet,
    a_host_survey,
    a_volume,
    facility_yaml,
    some_services,
)
from tests.golden import assert_golden


def test_a_plan_with_one_change_one_refusal_and_one_as_ordered(tmp_path: Path) -> None:
    third = {"facilities/hospital-c.yml": facility_yaml("c", number=13)}
    fleet = a_fleet(tmp_path, third)
    broken = a_host_survey(
        "pacs-b", volumes=(a_volume(free_mib=1),), services=some_services(orthanc="failed")
    )
    done = a_host_survey("pacs-c", release="1.12.7")
    surveys = {
        "hospital-a": a_facility_survey(
            a_host_survey().model_copy(update={"differences": ("AE title CT2 is declared anew",)})
        ),
        "hospital-b": a_facility_survey(broken, facility="hospital-b"),
        "hospital-c": a_facility_survey(done, facility="hospital-c"),
    }
    plan = make_plan(fleet, surveys, now=NOW, depot={"orthanc-1.12.7.tar.gz": "good"})
    text = "\n".join(lines(preview(plan))) + "\n"
    assert_golden("plan.txt", re.sub(r"\b[0-9a-f]{12}\b|(?<=-)[0-9a-f]{8}\b", "DIGEST", text))

"""Who may call an Orthanc: the table that it goes by, and what it lets anybody do, told whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.lab.authority import Authority
from orchestrator.survey.parse import host_survey
from tests.unit.role_modules import role_module
from tests.unit.test_role_survey import DECLARED, live
from tests.unit.test_survey_parse import answer

survey: Any = role_module("orthanc", "orthanc_survey")
declared: Any = __import__("sys").modules["ansible.module_utils.orthanc_declared"]
host: Any = __import__("sys").modules["ansible.module_utils.orthanc_host"]
OVER_TLS = {"AET": "CT1", "Host": "10.0.0.9", "Port": 104, "UseDicomTls": True}
FILES = DECLARED["DicomModalities"]
#: As Orthanc 1.12.7 itself answers.
KNOWN = {
    name: {**declared.USUAL, "AET": entry[0], "Host": entry[1], "Port": entry[2]}
    for name, entry in FILES.items()
}


def problems(**changed: Any) -> list[str]:
    found: list[str] = declared.differences(live(**changed), DECLARED, {})[0]
    return found


def test_what_the_running_orthanc_answers_adds_nothing_to_its_files() -> None:
    assert declared.in_force({"DicomModalities": FILES}, KNOWN) == FILES
    assert list(declared.not_loaded({"DicomModalities": FILES}, KNOWN)) == []


def test_an_ae_that_was_added_or_changed_while_it_ran_is_in_force() -> None:
    changed = KNOWN | {"CT1": KNOWN["CT1"] | {"AllowStore": False}, "new": KNOWN["CT1"]}
    table = declared.in_force({"DicomModalities": FILES}, changed)
    assert (table["CT1"], table["new"]) == (changed["CT1"], changed["new"])
    assert table["WARDSHIP"] == FILES["WARDSHIP"]


def test_a_table_in_the_database_is_the_only_one() -> None:
    found = {"DicomModalities": FILES, "DicomModalitiesInDatabase": True}
    assert declared.in_force(found, {}) == {}
    told = problems(DicomModalities=declared.in_force(found, {}))
    assert any("the probe's AE WARDSHIP" in one for one in told)
    assert list(declared.not_loaded(found, {})) == []


def test_an_ae_that_orthanc_was_not_started_with_is_told() -> None:
    (told,) = declared.not_loaded({"DicomModalities": FILES}, {"WARDSHIP": KNOWN["WARDSHIP"]})
    assert "AE CT1 (10.0.0.9:104) is in the configuration" in told
    assert list(declared.not_loaded({"DicomModalities": FILES}, None)) == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"WARDSHIP": FILES["WARDSHIP"]}, "AE CT1 (10.0.0.9:104) is declared and not configured"),
        (FILES | {"CT1": OVER_TLS}, "AE CT1 has UseDicomTls True there, declared is False"),
        (FILES | {"CT1": KNOWN["CT1"] | {"AllowStore": False}}, "CT1 has AllowStore False there"),
        (FILES | {"CT1": KNOWN["CT1"] | {"Novel": 1}}, "CT1 has Novel 1 there, declared is None"),
        (FILES | {"two": ["CT1", "10.0.0.7", 104]}, "AE CT1 is 10.0.0.7:104 there"),
    ],
)
def test_an_ae_that_is_not_as_declared_is_a_problem(changed: dict[str, Any], told: str) -> None:
    found = problems(DicomModalities=changed)
    assert any(told in one for one in found), found


def test_an_ae_under_another_name_of_its_entry_is_the_same_ae() -> None:
    assert problems(DicomModalities={f"x-{name}": one for name, one in KNOWN.items()}) == []


def test_a_plain_ae_where_tls_is_declared_is_a_problem() -> None:
    wanted = DECLARED | {"DicomModalities": FILES | {"CT1": OVER_TLS}}
    found = declared.differences(live(), wanted, {})[0]
    assert found == ["the AE CT1 has UseDicomTls False there, declared is True"]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("DicomAlwaysAllowFind", "DicomAlwaysAllowFind is false there, declared is true"),
        ("DicomCheckCalledAet", "DicomCheckCalledAet is false there, declared is true"),
        ("DicomTlsEnabled", "DicomTlsEnabled is false there, declared is true"),
    ],
)
def test_what_is_not_set_there_must_not_become_another_unseen(setting: str, told: str) -> None:
    wanted = DECLARED | {setting: True}
    assert declared.differences(live(), wanted, {})[0] == [f"the setting {told}"]
    assert declared.differences(live(**{setting: True}), wanted, {}) == ([], [])
    chosen = declared.differences(live(), wanted, {setting: True})
    assert chosen == ([], [f"the setting {told}"])


def test_a_setting_that_says_what_is_so_anyway_is_no_problem() -> None:
    assert problems(DicomTlsEnabled=False, DicomAlwaysAllowStore=True) == []
    (told,) = problems(DicomTlsEnabled=True)
    assert told == "the setting DicomTlsEnabled is made there and not declared (dicom: tls:)"


def test_what_anybody_may_ask_for_is_told_as_it_is_in_force() -> None:
    assert declared.callers({}) == {
        "anybody": ["echo", "store"],
        "checks_address": False,
        "checks_called": False,
    }
    strict = dict.fromkeys(declared.SERVICES, False) | {"DicomCheckModalityHost": True}
    assert declared.callers(strict)["anybody"] == []
    assert declared.callers(strict)["checks_address"]


def test_the_table_says_of_each_ae_whether_it_is_declared() -> None:
    table = declared.ae_table(FILES | {"x": ["OLD", "10.0.0.1", 1], "CT1": OVER_TLS}, FILES)
    assert [(one["ae_title"], one["tls"], one["declared"]) for one in table] == [
        ("WARDSHIP", False, True),
        ("CT1", True, False),
        ("OLD", False, False),
    ]


def tls(path: Path) -> dict[str, Any]:
    return {"DicomTlsEnabled": True, "DicomTlsCertificate": str(path)}


def test_the_certificate_is_told_and_never_the_key_beside_it(tmp_path: Path) -> None:
    issued = Authority().issue("pacs.invalid")
    file = tmp_path / "both.pem"
    file.write_text(f"{issued.key}{issued.certificate}")
    (found,) = survey.certificates({}, tls(file))
    assert "KEY" not in found["pem"]
    surveyed, told = host_survey("pacs-a", answer(certificates=[found]))
    assert told == ("web service: silent",)
    assert surveyed is not None
    (one,) = surveyed.certificates
    assert (one.service, one.path, one.names) == ("dicom", str(file), ("pacs.invalid",))
    assert one.not_before < one.not_after


def test_without_tls_there_is_no_certificate(tmp_path: Path) -> None:
    assert survey.certificates({}, {"DicomTlsEnabled": False}) == []
    with pytest.raises(host.ProblemError, match="no certificate is configured"):
        survey.certificates({"DicomTlsEnabled": True}, {})


def test_a_file_without_a_certificate_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    found = survey.certificates(tls(tmp_path / "empty.pem"), {})
    surveyed, told = host_survey("pacs-a", answer(certificates=found))
    assert surveyed is not None
    assert surveyed.certificates == ()
    assert any("empty.pem: no certificate that can be read" in one for one in told)

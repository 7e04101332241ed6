"""What hosts answered to a survey → one facility's survey.

Decides what counts as learned: an answer that lacks a part, or names another host, is a problem and
no survey of that host. Nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue, ValidationError

from orchestrator.survey.model import FacilitySurvey, HostSurvey
from orchestrator.wire.certificates import Certificate, read_certificates
from orchestrator.wire.errors import Garbled


def facility_survey(
    facility: str,
    answers: Mapping[str, Mapping[str, JsonValue]],
    *,
    failures: Mapping[str, str],
    taken_at: datetime,
) -> FacilitySurvey:
    """Join what the hosts of a facility answered.

    ``answers``: by host, what the survey's modules found (``wardship`` of their results);
    ``failures``: by host, why there is no answer. ``taken_at`` in UTC.
    """
    hosts: list[HostSurvey] = []
    problems = [f"{host}: {because}" for host, because in sorted(failures.items())]
    for name, answer in sorted(answers.items()):
        survey, found = host_survey(name, answer)
        problems += [f"{name}: {each}" for each in found]
        if survey is not None:
            hosts.append(survey)
    return FacilitySurvey(
        facility=facility, taken_at=taken_at, hosts=tuple(hosts), problems=tuple(problems)
    )


def host_survey(
    host: str, answer: Mapping[str, JsonValue]
) -> tuple[HostSurvey | None, tuple[str, ...]]:
    """One host's survey, and what it could not learn or did not expect there."""
    body = answer.get("survey")
    problems = tuple(str(each) for each in _listed(answer.get("problems")))
    if not isinstance(body, dict):
        return None, (*problems, "the survey gave no answer")
    try:
        lists = {name: _listed(answer.get(name)) for name in ("volumes", "databases", "space")}
        around = {"hold": answer.get("hold"), "traffic": _traffic(answer)}
        certificates, unread = _certificates(answer)
        body = {**body, "certificates": certificates}
        problems += unread
        survey = HostSurvey.model_validate({**body, **lists, **around})
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        return None, (*problems, *(f"the survey's answer does not hold: {each}" for each in wrong))
    if survey.host != host:
        return None, (*problems, f"the survey speaks of another host: {survey.host}")
    if not survey.volumes:
        return None, (*problems, "the survey names no volume")
    return survey, problems


def _traffic(answer: Mapping[str, JsonValue]) -> JsonValue:
    """Who uses the product; None where nobody looked at its connections."""
    if not isinstance(peers := answer.get("peers"), list):
        return None
    return {"peers": peers, "received_ago": answer.get("received_ago")}


def _certificates(
    answer: Mapping[str, JsonValue],
) -> tuple[list[JsonValue], tuple[str, ...]]:
    """What the certificates on a host say; a file that holds none is a problem."""
    found: list[JsonValue] = []
    problems: list[str] = []
    for each in _listed(answer.get("certificates")):
        told = each if isinstance(each, dict) else {}
        path = str(told.get("path"))
        try:
            first = read_certificates(str(told.get("pem")))[0]
        except Garbled as error:
            problems.append(f"{path}: {error.what}")
            continue
        known = {name: value for name, value in told.items() if name != "pem"}
        found.append({**known, **_plain(first)})
    return found, tuple(problems)


def _plain(found: Certificate) -> dict[str, JsonValue]:
    return {
        "names": list(found.names),
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
        "fingerprint": found.fingerprint,
    }


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []

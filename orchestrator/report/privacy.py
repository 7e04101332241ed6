"""Leaves out what looks like a patient: the last line of defence, not the first.

Checks and journal hold no patient data to begin with. What reaches a report as free text (why a
check failed, what a host said) is looked at once more here: the value of a patient attribute, a
person name in DICOM's own form (PS3.5 section 6.2, VR PN) and the probe's opposite, a plain patient
id beside its tag, are replaced. UIDs stay.
"""

from __future__ import annotations

import re

from pydantic import JsonValue

LEFT_OUT = "(left out)"

_ATTRIBUTE = re.compile(
    r"""(?P<key>
        \(?\b0010,?\s?[0-9a-f]{4}\)?
        | \b(?:other[ ]?)?patient(?:'?s)?[ _-]?(?:name|ids?|birth[ _-]?(?:date|time|name)|address)\b
        | \b(?:study|series|acquisition|content|birth)[ _-]?date\b
        | \baccession[ _-]?number\b
    )(?P<sep>["']?\s*[=:]\s*|\s+(?=["']))
    (?P<value>"[^"]*"|'[^']*'|[^;,\n\]}]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_PERSON_NAME = re.compile(
    r"[^\W\d_][\w'.-]*(?:\s[\w'.-]+)?\^[\w'.^=-]*(?:\s?[\w'.-]+\^[\w'.^=-]*)*"
)


def without_patients(text: str) -> str:
    """The text with every value that looks like a patient's left out."""
    text = _ATTRIBUTE.sub(lambda found: f"{found['key']}{found['sep']}{LEFT_OUT}", text)
    return _PERSON_NAME.sub(LEFT_OUT, text)


def json_without_patients(value: JsonValue) -> JsonValue:
    """The same for every text inside a JSON value."""
    if isinstance(value, str):
        return without_patients(value)
    if isinstance(value, list):
        return [json_without_patients(item) for item in value]
    if isinstance(value, dict):
        return {
            key: LEFT_OUT
            if isinstance(item, str) and without_patients(f"{key}: {item}") != f"{key}: {item}"
            else json_without_patients(item)
            for key, item in value.items()
        }
    return value

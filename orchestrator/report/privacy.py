"""Leaves out what looks like a patient: the last line of defence, not the first.

Checks and journal hold no patient data to begin with. What reaches a report as free text (why a
check failed, what a host said) is looked at once more here: the value of a patient attribute, a
person name in DICOM's own form (PS3.5 section 6.2, VR PN) are replaced. UIDs stay. A name in plain
words it cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
    r"[^\W\d_][\w'.-]{0,63}(?:\s[\w'.-]{1,63})?\^[\w'.^=-]*(?:\s?[\w'.-]{1,63}\^[\w'.^=-]*)*"
)


def without_patients(text: str) -> str:
    """The text with every value that looks like a patient's left out."""
    text = _ATTRIBUTE.sub(lambda found: f"{found['key']}{found['sep']}{LEFT_OUT}", text)
    return _PERSON_NAME.sub(LEFT_OUT, text) if "^" in text else text


def measures_without_patients(measures: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The same for every value under its name, however deep."""
    return {name: _under(name, value) for name, value in measures.items()}


def _under(name: str, value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return measures_without_patients(value)
    if isinstance(value, list):
        return [_under(name, item) for item in value]
    if value is not None and _ATTRIBUTE.search(f"{name}: {value}"):
        return LEFT_OUT
    return without_patients(value) if isinstance(value, str) else value

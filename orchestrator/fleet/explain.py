"""What pydantic found wrong, told to the person who wrote the file.

Never repeats a value that may be a secret: nothing below ``password`` or ``secrets`` is quoted.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.fleet.problems import MOST, Problem, quoted
from orchestrator.fleet.yamlfile import Document
from orchestrator.fleet.yamlreader import Loc, may_be_secret

_WORDS = {
    r"^[a-z][a-z0-9-]{0,39}$": "small letters, digits and '-', a letter first, at most 40",
    r"^[a-z][a-z0-9_]{0,39}$": "small letters, digits and '_', a letter first, at most 40",
    r"^[A-Z0-9_.-]{1,16}$": "an AE title: capital letters, digits, '_', '.', '-', at most 16",
    r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$": "a host name or an IP address",
    r"^[0-9][0-9A-Za-z.+~-]{0,39}$": 'a release such as "1.12.7"',
    r"^[0-9a-f]{64}$": "a SHA-256 in 64 hexadecimal digits",
    r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$": "a file name without directories",
    r"^[A-Z]{2}$": 'a country in two capital letters, such as "SZ"',
    r"^[a-z][a-z0-9_]*$": "the name of a variable in the vault",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable",
    r"^[a-z_][a-z0-9_-]*$": "a user name",
    r"^[^:\x00-\x1f\x7f-\x9f]{1,80}$": "a user name without ':', at most 80 characters",
    r"^[^\x00-\x1f\x7f-\x9f]{1,80}$": "one line of at most 80 characters",
    r"^(/[A-Za-z0-9._~-]+)+$": "a path on the product's own web service such as /dicom-web",
    r"^[^\x00-\x1f\x7f-\x9f]{1,200}$": "one line of at most 200 characters",
}
_REFERENCE = "expected vault: NAME or env: NAME, never the secret itself"
_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
}


def explain(document: Document, model: type[BaseModel], error: ValidationError) -> list[Problem]:
    """Each thing that is wrong with a document as a ``model``, at its line."""
    details = list(_without_repetition(error.errors(include_url=False, include_context=True)))
    told = [_problem(document, model, detail) for detail in details[:MOST]]
    if (more := len(details) - MOST) > 0:
        told.append(document.problem((), f"{more} more problems: mend these first"))
    return told


def _without_repetition(details: list[ErrorDetails]) -> Iterator[ErrorDetails]:
    """The first complaint of each place, and none of a whole that only its parts make wrong.

    Every arm of a union complains for itself, and a list whose items are wrong counts as empty.
    """
    seen: set[Loc] = set()
    places = [_place(detail) for detail in details]
    wholes = {place[:depth] for place in places for depth in range(len(place))}
    for detail in details:
        place = _place(detail)
        is_key = "[key]" in detail["loc"]  # the name of what lies below, not the whole of it
        if place not in seen and (is_key or place not in wholes):
            seen.add(place)
            yield detail


def _place(detail: ErrorDetails) -> Loc:
    return tuple(part for part in detail["loc"] if not _is_label(part))


def _is_label(part: str | int) -> bool:
    """Whether pydantic added this part: a union's arm, or the mark of a key."""
    return isinstance(part, str) and ("[" in part or part in ("date", "str"))


def _problem(document: Document, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    loc = _place(detail)
    if detail["type"] == "extra_forbidden" and may_be_secret(loc[:-1]):
        # Even a key may be a secret here, as in ``password: {abc}``.
        return document.problem(loc, f"{'.'.join(map(quoted, loc[:-1]))}: {_REFERENCE}")
    where = ".".join(quoted(part) for part in loc)
    what = _what(document, model, loc, detail)
    at = loc[:-1] if detail["type"] == "missing" else loc
    return document.problem(at, f"{where}: {what}" if where else what)


def _what(document: Document, model: type[BaseModel], loc: Loc, detail: ErrorDetails) -> str:
    kind, ctx = detail["type"], detail.get("ctx", {})
    if kind == "missing":
        return "missing, expected it here"
    if kind == "extra_forbidden":
        return f"unknown key, expected {_known_keys(model, loc)}"
    if ctx.get("class_name") == "SecretRef":
        return _REFERENCE
    shown = _shown(document, loc, detail)
    if kind == "value_error":
        return f"{shown}: {ctx['error']}"
    if kind == "string_pattern_mismatch":
        return f"{shown}, expected {_WORDS.get(ctx['pattern'], ctx['pattern'])}"
    if kind in ("string_type", "literal_error") and isinstance(detail["input"], int | float):
        return f"{shown} is {_yaml_kind(detail['input'])} in YAML, quote it"
    if kind == "int_type" and isinstance(detail["input"], str):
        return f"{shown} is a text, expected a whole number without quotes"
    if kind == "literal_error" and "literal[" in str(detail["loc"][-1]):
        return f"{shown}, expected {ctx['expected']} or a list"
    if kind in _KINDS:
        return f"{shown}, expected {_KINDS[kind]}"
    return f"{shown}, {detail['msg'].replace('Input should be', 'expected')}"


def _yaml_kind(value: object) -> str:
    return "true or false" if isinstance(value, bool) else "a number"


def _shown(document: Document, loc: Loc, detail: ErrorDetails) -> str:
    """The value as it was written, where that is short and no secret."""
    if may_be_secret(loc):
        return "this value"
    if "[key]" in detail["loc"]:
        return f"the name {quoted(detail['input'])}"
    text = document.texts.get(loc)
    if text is None:
        return "this"
    return quoted(text) if text else "an empty value"


def _known_keys(model: type[BaseModel], loc: Loc) -> str:
    inside: Any = model
    for part in loc[:-1]:
        inside = _part_of(inside, part)
    if not (isinstance(inside, type) and issubclass(inside, BaseModel)):
        return "it not to be here"
    names = [field.alias or name for name, field in inside.model_fields.items()]
    close = get_close_matches(str(loc[-1]), names, n=1)
    return close[0] if close else "one of " + ", ".join(sorted(names))


def _part_of(annotation: Any, part: str | int) -> Any:
    """The type of a part: of a field by name, of the values of a dict, of the items of a tuple."""
    annotation = _plain(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            if part in (name, field.alias):
                return _plain(field.annotation)
        return None
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is dict:
        return _plain(arguments[1])
    if typing.get_origin(annotation) is tuple:
        return _plain(arguments[0])
    return None


def _plain(annotation: Any) -> Any:
    """Without ``Annotated`` and ``| None``; of other unions, the arm that has parts."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
        return _plain(arms[-1])
    return annotation

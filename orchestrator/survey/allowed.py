"""Differences that a person allows beforehand, each with its reason: ``allow.yml``.

A rule names what it is about. One that would let anything be missing is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from orchestrator.errors import SurveyError
from orchestrator.fleet.model import Model, Text
from orchestrator.fleet.yamlfile import Document, read_yaml
from orchestrator.survey.listing_dicom import ATTRIBUTES
from orchestrator.survey.reconcile import Found, What

#: What two archives may tell otherwise of every study; what else is another needs its UID.
_TOLD = frozenset({*ATTRIBUTES})


class Allowed(Model):
    """A rule: what it leaves out is any. It must name what it is about, unless that was added."""

    what: What
    why: Text
    study: str | None = None
    series: str | None = None
    instance: str | None = None
    record: str | None = None
    key: str | None = None
    field: str | None = None

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if self.key and not self.record:
            raise ValueError("names a key and not of what record, expected both")
        named = (self.study, self.series, self.instance, self.key)
        is_about_a_field = self.what == "changed" and self.field in _TOLD
        if self.what != "added" and not is_about_a_field and not any(named):
            raise ValueError(f"allows anything to be {self.what}, expected a study, series, "
                             "instance or key")  # fmt: skip
        return self

    def covers(self, found: Found) -> bool:
        """Whether the rule is about this difference."""
        mine = (self.study, self.series, self.instance, self.record, self.key, self.field)
        its = (found.study, found.series, found.instance, found.record, found.key, found.field)
        return self.what == found.what and all(
            wanted is None or wanted == there for wanted, there in zip(mine, its, strict=True)
        )


class _AllowList(Model):
    allow: tuple[Allowed, ...] = Field(min_length=1)


def read_allowed(path: Path) -> tuple[Allowed, ...]:
    """The rules of a file.

    Raises:
        SurveyError: it cannot be read, or holds what is no rule; all of it is told.
    """
    document, problems = read_yaml(path.parent, path.name)
    told = [f"{problem}" for problem in problems]
    if document is not None and not told:
        try:
            return _AllowList.model_validate(document.value).allow
        except ValidationError as error:
            told = list(_told(document, error))
    raise SurveyError(
        f"{path}: {'; '.join(told)}",
        hint="each rule: {what: missing|added|changed, why: TEXT, study|series|instance|key: …}",
    )


def _told(document: Document, error: ValidationError) -> list[str]:
    lines = []
    for one in error.errors(include_url=False, include_input=False):
        place = tuple(part for part in one["loc"] if isinstance(part, str | int))
        where = ".".join(map(str, place))
        lines.append(str(document.problem(place, f"{where}: {one['msg']}")))
    return lines

"""The text of a YAML file as plain values, and where each of them stands.

Decides what a scalar means and what is refused in a text; files are ``yamlfile``'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from orchestrator.fleet.problems import MOST, Problem, quoted

#: Where a value is in a file: keys and positions from the top.
Loc = tuple[str | int, ...]

#: Below these keys a value may be a secret that somebody wrote down by mistake.
_SECRETIVE = frozenset({"password", "secrets", "probe"})
_DEEPEST = 40
_MOST_VALUES = 100_000
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER = yaml.resolver.Resolver()
_STR = "tag:yaml.org,2002:str"


def may_be_secret(loc: Sequence[str | int]) -> bool:
    """Whether a value at this place must not be repeated in a message."""
    return not _SECRETIVE.isdisjoint(loc)


class TooMuchError(Exception):
    """More than any declaration has: of levels, of values, of problems."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


class TooLittleError(Exception):
    """No document."""


@dataclass
class Places:
    """The line of each part of a file, and each scalar as it was written."""

    lines: dict[Loc, int] = field(default_factory=dict)
    texts: dict[Loc, str] = field(default_factory=dict)


@dataclass
class Reader:
    """Turns parser events into values and notes problems on the way; places where they are asked
    for, since a file without a problem never needs them.
    """

    file: str
    places: Places | None = None
    problems: list[Problem] = field(default_factory=list)
    loc: list[str | int] = field(default_factory=list)
    values: int = 0

    def document(self, text: str) -> object:
        events = _events(text)
        value: object = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._tell(event, "a second document, expected one a file")
                    break
                value = self._value(next(events), events)
        if documents == 0:
            raise TooLittleError
        return value

    def _tell(self, event: yaml.Event, text: str) -> None:
        if len(self.problems) >= MOST:
            raise TooMuchError(f"{MOST} problems, the rest is not read: mend these", _line(event))
        self.problems.append(Problem(self.file, _line(event), text))

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event]) -> object:
        self.values += 1
        if self.places is not None:
            self.places.lines.setdefault(tuple(self.loc), _line(event))
        if len(self.loc) > _DEEPEST:
            raise TooMuchError(f"not YAML: nested more than {_DEEPEST} levels deep", _line(event))
        if self.values > _MOST_VALUES:
            text = f"more than {_MOST_VALUES} values, expected a smaller file"
            raise TooMuchError(text, _line(event))
        if isinstance(event, yaml.AliasEvent):
            name = quoted(getattr(event, "anchor", ""))
            self._tell(event, f"alias *{name}, expected the value itself")
            return None
        if anchor := getattr(event, "anchor", None):
            self._tell(event, f"anchor &{quoted(anchor)}, expected the value without it")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, events)
        assert isinstance(event, yaml.SequenceStartEvent)
        return self._sequence(event, events)

    def _mapping(
        self, start: yaml.MappingStartEvent, events: Iterator[yaml.Event]
    ) -> dict[str, object]:
        self._refuse_tag(start)
        found: dict[str, object] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event, events)
            if key in found:
                first = lines[key]
                self._tell(event, f"{quoted(key)} is here a second time (first in line {first})")
                self._skip(events)
                continue
            lines[key] = _line(event)
            self.loc.append(key)
            if self.places is not None:
                self.places.lines[tuple(self.loc)] = lines[key]
            found[key] = self._value(next(events), events)
            self.loc.pop()
        return found

    def _key(self, event: yaml.Event, events: Iterator[yaml.Event]) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._tell(event, "a key that is not a word, expected a word")
            self.loc.append("?")
            self._value(event, events)
            self.loc.pop()
            return "?"
        self._refuse_tag(event)
        tag = _tag(event)
        if event.value == "<<" and event.implicit[0]:
            self._tell(event, "merge key <<, expected the keys themselves")
        elif tag != _STR:
            shown = "this" if may_be_secret(self.loc) else quoted(event.value)
            self._tell(event, f"{shown} is a {tag.rpartition(':')[2]} in YAML, quote it")
        return event.value

    def _sequence(
        self, start: yaml.SequenceStartEvent, events: Iterator[yaml.Event]
    ) -> list[object]:
        self._refuse_tag(start)
        found: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            self.loc.append(len(found))
            found.append(self._value(event, events))
            self.loc.pop()
        return found

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        self._refuse_tag(event)
        if self.places is not None:
            self.places.texts[tuple(self.loc)] = event.value
        tag = _tag(event)
        if tag == _STR:
            return event.value
        kind = tag.rpartition(":")[2]
        if kind == "null":
            return None
        if kind == "bool":
            return event.value.lower() in ("yes", "true", "on")
        if kind == "int" and _DECIMAL.fullmatch(event.value):
            return int(event.value)
        if kind == "float" and (number := _finite(event.value)) is not None:
            return number
        if kind in ("int", "float"):
            shown = "this" if may_be_secret(self.loc) else quoted(event.value)
            text = f"{shown} is a number that YAML 1.1 reads its own way"
            self._tell(event, f"{text}, quote it or write it plainly")
        return event.value

    def _refuse_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag and tag != "!":
            self._tell(event, f"tag {quoted(tag)}, expected a plain value")

    def _skip(self, events: Iterator[yaml.Event]) -> None:
        depth = 0
        for event in events:
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth == 0:
                return


def _events(text: str) -> Iterator[yaml.Event]:
    """What the parser finds, to the end of the text."""
    parser = _LOADER(text)
    try:
        yield from iter(parser.get_event, None)
    finally:
        parser.dispose()


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None


def _tag(event: yaml.ScalarEvent) -> str:
    """The tag that YAML 1.1 gives a scalar, as PyYAML's own constructors would see it."""
    # Only what is written without quotes is looked at, and most of it is written often.
    return _plain_tag(event.value) if event.implicit[0] else _STR


@lru_cache(maxsize=4096)
def _plain_tag(text: str) -> str:
    # PyYAML's stubs leave this one without types.
    resolved = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return str(resolved)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1

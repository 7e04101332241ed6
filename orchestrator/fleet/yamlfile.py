"""One YAML file as plain values, each with the line it stands on.

Refuses whatever lets a file mean something else than it seems to: duplicate keys, anchors, aliases
and tags, numbers that YAML 1.1 guesses at (``0x1F``, ``10:30``), symbolic links, files that leave
the fleet's directory, are over 1 MiB or 100,000 values, or are not UTF-8. All problems of a file
are told at once; what follows a syntax error, or the hundredth problem, is not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from orchestrator.fleet.problems import Problem
from orchestrator.fleet.yamlreader import Loc, Places, Reader, TooLittleError, TooMuchError

LARGEST_FILE = 1 << 20
_TOO_LARGE = f"larger than {LARGEST_FILE >> 20} MiB, expected a smaller file"


@dataclass(frozen=True)
class Document:
    """A file that was read: its value. Where its parts stand is looked up when a problem asks."""

    file: str
    value: object
    text: str = field(repr=False)

    @cached_property
    def _places(self) -> Places:
        places = Places()
        with suppress(yaml.YAMLError, TooLittleError, TooMuchError):
            Reader(self.file, places).document(self.text)
        return places

    @property
    def texts(self) -> Mapping[Loc, str]:
        """Each scalar as it was written."""
        return self._places.texts

    def line(self, loc: Loc) -> int:
        """The line of a part, or of the nearest thing around it that is there."""
        lines = self._places.lines
        while loc and loc not in lines:
            loc = loc[:-1]
        return lines.get(loc, 1)

    def problem(self, loc: Loc, text: str) -> Problem:
        """A problem at this part of the file."""
        return Problem(self.file, self.line(loc), text)


def read_yaml(directory: Path, name: str) -> tuple[Document | None, list[Problem]]:
    """The file ``name`` below ``directory``; no document where its text cannot be taken as YAML."""
    text = _text(directory, name)
    if isinstance(text, Problem):
        return None, [text]
    return parse_yaml(name, text)


def parse_yaml(name: str, text: str) -> tuple[Document | None, list[Problem]]:
    """As ``read_yaml``, of a text that is in no file yet."""
    if len(text.encode()) > LARGEST_FILE:
        return None, [Problem(name, 1, _TOO_LARGE)]
    reader = Reader(name)
    try:
        value = reader.document(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return None, [*reader.problems, Problem(name, line, f"not YAML: {error.problem}")]
    except TooLittleError:
        return None, [*reader.problems, Problem(name, 1, "empty, expected a mapping")]
    except TooMuchError as error:
        return None, [*reader.problems, Problem(name, error.line, str(error))]
    except yaml.YAMLError as error:
        first = str(error).partition("\n")[0]
        return None, [*reader.problems, Problem(name, 1, f"not YAML: {first}")]
    return Document(name, value, text), reader.problems


def outside(directory: Path, name: str) -> str | None:
    """Why a file is not one of the fleet's own, if it is not."""
    path = directory / name
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return f"{name} leads nowhere, expected a file"
    if not resolved.is_relative_to(directory.resolve()):
        return f"{name} leaves the fleet directory, expected a file inside it"
    if path.is_symlink():
        return f"{name} is a symbolic link, expected a file"
    return None


def _text(directory: Path, name: str) -> str | Problem:
    path = directory / name
    if because := outside(directory, name):
        return Problem(name, 1, because)
    try:
        if not path.is_file():
            found = "no file" if path.exists() else "not there"
            return Problem(name, 1, f"{found}, expected a file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        return Problem(name, 1, f"cannot be read ({error.strerror}), expected a readable file")
    if len(data) > LARGEST_FILE:
        return Problem(name, 1, _TOO_LARGE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Problem(name, line, "not UTF-8, expected text saved as UTF-8")

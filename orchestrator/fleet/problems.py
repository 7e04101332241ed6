"""What is wrong with a declaration: one problem is one line, ``file:line: what, expected what``.

What a file holds is quoted short and harmless: no line of a message is the file's own.
"""

from __future__ import annotations

from typing import NamedTuple

#: Longest piece of a file that a message repeats, in characters.
_LONGEST = 60
#: Longest text of a problem, in characters.
_LONGEST_TEXT = 600
#: Problems of one file that are told; a file with more is wrong as a whole.
MOST = 100


class Problem(NamedTuple):
    """One thing to mend, and where. Lines count from 1."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}: {_clipped(printable(self.text))}"


def in_order(problems: list[Problem]) -> tuple[str, ...]:
    """Every problem once, as a reader of the files meets them."""
    return tuple(str(problem) for problem in sorted(set(problems)))


def printable(text: str) -> str:
    """In one line: what begins another one, moves the cursor or is not seen is written as its
    escape: a no-break space in a key looks like any other.
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def quoted(text: object) -> str:
    """A piece of a file as a message repeats it: its beginning, in one line."""
    shown = printable(str(text)[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"

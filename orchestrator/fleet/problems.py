"""What is wrong with a declaration: one problem is one line, ``file:line: what, expected what``."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """One thing to mend, and where. Lines count from 1."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def in_order(problems: list[Problem]) -> tuple[str, ...]:
    """Every problem once, as a reader of the files meets them."""
    return tuple(str(problem) for problem in sorted(set(problems)))

"""The one place that writes to the terminal.

Results go to standard output, progress and errors to standard error. With ``--json`` standard
output has exactly one JSON document. What comes from hosts is shown without control characters. The
last line of every command says what changed and what to do next.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pydantic import BaseModel, JsonValue
from rich.console import Console as RichConsole
from rich.text import Text

from orchestrator.errors import FleetError, PlanError, UsageError, WardshipError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
#: Problems that a terminal is given; a person mends the first ones first.
_MOST = 200


class NobodyToAskError(UsageError):
    """A person was needed and there is no terminal; the command line could have said it."""


Answer = BaseModel | Mapping[str, JsonValue]


class Console:
    """Plain lines without a terminal; colour and a moving line on one."""

    def __init__(self) -> None:
        self.as_json = False
        self._answered = False
        self._out = RichConsole(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._err = RichConsole(
            stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True
        )

    @property
    def is_terminal(self) -> bool:
        """Whether a person can be shown something that moves, and asked."""
        return self._err.is_terminal and sys.stdin.isatty()

    def answer(self, model: Answer, lines: Iterable[str]) -> None:
        """The result: the model with ``--json``, else its lines."""
        if self.as_json:
            self._json(model)
            return
        for line in lines:
            self._out.print(clean(line))

    def say(self, text: str) -> None:
        """Progress, as it happens."""
        self._err.print(Text(clean(text), style="dim"))

    def closing(self, text: str) -> None:
        """The last line: what changed, and what to do next."""
        (self._err if self.as_json else self._out).print(Text(clean(text), style="bold"))

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        """A moving line while something takes its time; a plain one without a terminal."""
        if not self._err.is_terminal:
            self.say(text)
            yield
            return
        with self._err.status(Text(clean(text))):
            yield

    def moving(self) -> Moving:
        """A moving line that may be changed while it moves; nothing without a terminal."""
        return Moving(self._err)

    def need(self, option: str) -> str:
        """A text that was not given: asked for on a terminal.

        Raises:
            NobodyToAskError: there is no terminal.
        """
        if not self.is_terminal:
            raise NobodyToAskError(f"{option} is missing", hint=f"give {option} TEXT")
        self._err.print(f"{option.lstrip('-')}: ", end="")
        return sys.stdin.readline().strip() or self.need(option)

    def ask(self, question: str, *, otherwise: str) -> bool:
        """Ask a person; ``otherwise`` says how to answer beforehand.

        Raises:
            NobodyToAskError: there is no terminal.
        """
        if not self.is_terminal:
            raise NobodyToAskError("there is nobody to ask here", hint=otherwise)
        self._err.print(clean(f"{question} [y/N] "), end="")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def error(self, error: WardshipError) -> None:
        """What is wrong, every problem of it, and what to do next."""
        details = _details(error)
        if self.as_json and not self._answered:
            self._json({"error": _as_json(error, details)})
        self._err.print(Text(f"wardship: {in_one_line(error.what)}", style="bold red"))
        for detail in details[:_MOST]:
            self._err.print(f"  {in_one_line(detail)}")
        if more := len(details[_MOST:]):
            self._err.print(f"  … and {more} more (all of them: --json)")
        self._err.print(f"next: {in_one_line(error.hint)}")

    def failed(self, error: WardshipError) -> None:
        """With ``--json``, the document of what was told as a line already."""
        if self.as_json and not self._answered:
            self._json({"error": _as_json(error, ())})

    def bug(self, text: str) -> None:
        """A line about our own mistake."""
        self._err.print(Text(clean(text), style="bold red"))

    def begin(self, *, as_json: bool) -> None:
        """A command begins."""
        self.as_json = as_json
        self._answered = False

    def _json(self, model: Answer) -> None:
        self._answered = True
        body = model.model_dump(mode="json") if isinstance(model, BaseModel) else dict(model)
        text = json.dumps(body, indent=2, ensure_ascii=False)
        sys.stdout.write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")
        sys.stdout.flush()


class Moving:
    """A line on a terminal that tells what is under way."""

    def __init__(self, to: RichConsole) -> None:
        self._status = to.status(Text("")) if to.is_terminal else None

    def start(self) -> None:
        """Show it."""
        if self._status:
            self._status.start()

    def update(self, text: str) -> None:
        """Tell something else."""
        if self._status:
            self._status.update(Text(clean(text)))

    def stop(self) -> None:
        """Take it away."""
        if self._status:
            self._status.stop()


def clean(text: str) -> str:
    """Without anything that moves the cursor, changes colours or the direction of writing."""
    return _CONTROL.sub("�", text)


def in_one_line(text: str) -> str:
    """Clean, and no line of it begins as one of ours would."""
    return clean(" ".join(text.split("\n")))


def _details(error: WardshipError) -> tuple[str, ...]:
    if isinstance(error, FleetError):
        return error.problems
    if isinstance(error, PlanError):
        return error.refusals
    return ()


def _as_json(error: WardshipError, details: tuple[str, ...]) -> JsonValue:
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "details": list(details),
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


#: The console of this process.
console = Console()

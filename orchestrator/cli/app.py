"""The command ``wardship``: assembles the commands, and turns an error into a message and a code.

Decides the exit code, which says in what state the hospitals are (see ``orchestrator.errors``); 64
is a wrong command line, 130 an interrupt, 70 our bug.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from orchestrator.cli import (
    backup,
    census,
    diff,
    fleet,
    init,
    lab,
    plan,
    role,
    run,
    status,
    steer,
    survey,
)
from orchestrator.cli.console import console
from orchestrator.cli.context import Context
from orchestrator.errors import MachineError, UsageError, WardshipError

USAGE = UsageError.exit_code
BUG = WardshipError.exit_code
INTERRUPTED = 130
#: What a disk refuses, where Python does not say for which file.
OF_A_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})

#: Each module adds its commands. In the order in which they are shown.
COMMANDS = (init, fleet, survey, census, backup, plan, diff, run, status, steer, role, lab)

app = typer.Typer(
    name="wardship",
    help="Bring mandated releases to hospitals, one at a time, and put back what fails a check.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's own signature
    if wanted:
        typer.echo(f"wardship {installed()}")
        raise typer.Exit


@app.callback()
def _global(
    context: typer.Context,
    fleet_directory: Annotated[
        Path, typer.Option("--fleet", metavar="DIR", envvar="WARDSHIP_FLEET", help="The fleet.")
    ] = Path(),
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Which one.")
    ] = False,
) -> None:
    console.begin(as_json=as_json)
    context.obj = Context(fleet_directory)


for _module in COMMANDS:
    _module.add_to(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign must not stop a change half way.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(execute(sys.argv[1:] if arguments is None else arguments))


def execute(arguments: Sequence[str]) -> int:
    """Run a command; gives the exit code."""
    # What is declared, found and planned holds no cycles. Looking for some every 700 objects, as
    # Python does by itself, takes half the time of a plan for thirty thousand hosts.
    gc.set_threshold(50_000, 10, 10)
    words = globals_first(arguments)
    console.begin(as_json="--json" in takewhile(lambda word: word != "--", words))
    if strange := [argument for argument in arguments if not _is_text(argument)]:
        return _refused(f"not UTF-8: {strange[0]!a}", "give that argument in UTF-8")
    try:
        code = app(words, prog_name="wardship", standalone_mode=False)
    except WardshipError as error:
        console.error(error)
        return error.exit_code
    except TyperException as error:
        return _wrong_usage(error)
    except (Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None and error.errno not in OF_A_DISK:
            return _bug(error)
        refused = MachineError(
            f"{error.filename or 'a file'}: {error.strerror}",
            hint="mend that on this machine, then the same again; wardship status shows the rest",
        )
        console.error(refused)
        return refused.exit_code
    except Exception as error:
        return _bug(error)
    if code == INTERRUPTED:
        console.bug(
            "interrupted; what was under way on a host goes on there. next: wardship status"
        )
    return code if isinstance(code, int) else 0


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Global options may stand anywhere before ``--``: moved to where typer expects them."""
    first: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if argument == "--":
            rest += [argument, *waiting]
            break
        if argument == "--fleet" and waiting:
            first += [argument, waiting.pop(0)]
        elif argument == "--json" or argument.startswith("--fleet="):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest


def _wrong_usage(error: TyperException) -> int:
    text = error.format_message()
    if not text.startswith("Usage:"):
        return _refused(text or "wrong arguments", "wardship --help, or wardship COMMAND --help")
    console.bug(text)
    console.failed(UsageError("a command is missing", hint="wardship --help"))
    return USAGE


def _refused(text: str, hint: str) -> int:
    console.error(UsageError(text, hint=hint))
    return USAGE


def _bug(error: Exception) -> int:
    what = f"wardship has a bug: {type(error).__name__}: {str(error).splitlines()[:1]}"
    console.bug(what)
    console.failed(WardshipError(what, hint="wardship status shows what hosts know"))
    if os.environ.get("WARDSHIP_DEBUG"):
        console.bug("".join(traceback.format_exception(error)))
    else:
        console.bug("next: WARDSHIP_DEBUG=1 shows where; wardship status shows what hosts know")
    return BUG


def installed() -> str:
    """The version of this installation."""
    try:
        return version("wardship")
    except PackageNotFoundError:
        return "(not installed)"

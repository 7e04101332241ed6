"""The command line: one verb a call, one JSON object on standard output.

Exit codes: 0 done (look at the object), 1 failed, 3 refused (nothing was done), 64 wrong
arguments, 70 a bug.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from typing import Any, Callable, Dict, NoReturn, Optional, Sequence

from . import (
    SCHEMA,
    VERSION,
    aftercare,
    anchor,
    answering,
    ask,
    begin,
    boot,
    decide,
    door,
    epoch,
    execute,
    member,
    parking,
    returned,
)
from .change import load
from .diagnose import diagnose
from .host import Host
from .manifest import PHASES
from .outcome import FailedError, RefusedError
from .prepare import prepare
from .prove import prove
from .status import status
from .system import System
from .undo import run as undo

DONE, FAILED, REFUSED, USAGE, BUG = 0, 1, 3, 64, 70


class Arguments(argparse.ArgumentParser):
    """argparse, with our exit code and JSON."""

    def error(self, message: str) -> NoReturn:
        _print({"wrong": message})
        raise SystemExit(USAGE)


def parser() -> argparse.ArgumentParser:
    top = Arguments(prog="wardship-host", description="See docs/host-program.md.")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Arguments)

    def verb(name: str, *options: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name)
        for option in options:
            made.add_argument(f"--{option}", required=True, type=int if option in INTS else str)
        return made

    verb("take", "epoch")
    verb("prepare", "epoch")
    phase = verb("phase", "change", "epoch")
    phase.add_argument("name", choices=PHASES)
    phase.add_argument("--wait", type=float)
    decision = verb("decide", "change", "epoch", "by", "because")
    decision.add_argument("--propose", required=True, choices=("commit", "restore"))
    verb("reverse", "change", "epoch", "because")
    verb("heed", "change", "epoch", "said")
    verb("said", "change")
    verb("ready", "change")
    verb("census", "change")
    verb("prove", "change", "sample", "seed")
    verb("forget", "change", "study")
    verb("diagnose", "change")
    verb("parked", "change")
    verb("status").add_argument("--change")
    verb("hands", "change", "epoch", "because")
    verb("clear", "change", "epoch", "reason")
    verb("cleanup", "change", "epoch")
    verb("undo", "change")
    verb("answer", "port")
    verb("run", "change", "attempt").add_argument("name", choices=PHASES)
    for name in ("boot", "door", "version"):
        verb(name)
    return top


INTS = ("epoch", "sample", "attempt", "port")


def main(argv: Optional[Sequence[str]] = None, *, host: Optional[Host] = None) -> int:
    """Run one verb; the exit code."""
    given = parser().parse_args(argv)
    try:
        if given.verb == "run":
            return _run(host or Host(System()), given)
        _print(VERBS[given.verb](host or Host(System()), given))
    except RefusedError as refused:
        _print({"refused": refused.kind, "because": refused.because})
        return REFUSED
    except FailedError as failed:
        _print({"failed": given.verb, "because": failed.because})
        return FAILED
    except Exception as error:  # told as JSON too; the trace goes to standard error
        traceback.print_exc()
        _print({"bug": type(error).__name__, "because": str(error)})
        return BUG
    return DONE


def _run(host: Host, given: argparse.Namespace) -> int:
    return execute.run(host, given.change, given.name, attempt=given.attempt)


def _door(host: Host) -> Dict[str, Any]:
    door.load(host)
    return {"door": door.state(host)}


def _parked(host: Host, identifier: str) -> Dict[str, Any]:
    change = load(host, identifier)
    return {**parking.told(change), **returned.unproved(change)}


def _decide(host: Host, identifier: str, **given: Any) -> Dict[str, Any]:
    stands = decide.decide(host, identifier, **given)
    return {**stands, "said": anchor.said(load(host, identifier))}


def _reverse(host: Host, identifier: str, **given: Any) -> Dict[str, Any]:
    stands = decide.reverse(host, identifier, **given)
    return {**stands, "said": anchor.said(load(host, identifier))}


VERBS: Dict[str, Callable[[Host, argparse.Namespace], Any]] = {
    "take": lambda host, a: epoch.take(host, a.epoch),
    "prepare": lambda host, a: prepare(
        host, sys.stdin.read(), at=a.epoch, caller=os.environ.get("SUDO_UID")
    ),
    "phase": lambda host, a: begin.phase(host, a.change, a.name, at=a.epoch, wait=a.wait),
    "decide": lambda host, a: _decide(
        host, a.change, at=a.epoch, propose=a.propose, by=a.by, because=a.because
    ),
    "reverse": lambda host, a: _reverse(host, a.change, at=a.epoch, because=a.because),
    "heed": lambda host, a: member.heed(host, a.change, at=a.epoch, said=a.said),
    "said": lambda host, a: {"said": anchor.said(load(host, a.change))},
    "ready": lambda host, a: begin.ready(host, a.change),
    "census": lambda host, a: ask.census(host, a.change),
    "prove": lambda host, a: prove(host, a.change, sample=a.sample, seed=a.seed),
    "forget": lambda host, a: ask.forget(host, a.change, study=a.study),
    "diagnose": lambda host, a: diagnose(host, a.change),
    "parked": lambda host, a: _parked(host, a.change),
    "status": lambda host, a: status(host, a.change),
    "hands": lambda host, a: aftercare.hands(host, a.change, at=a.epoch, because=a.because),
    "clear": lambda host, a: aftercare.clear(host, a.change, at=a.epoch, reason=a.reason),
    "cleanup": lambda host, a: aftercare.cleanup(host, a.change, at=a.epoch),
    "undo": lambda host, a: undo(host, a.change),
    "answer": lambda host, a: answering.serve(host, a.port),
    "boot": lambda host, _: boot.boot(host),
    "door": lambda host, _: _door(host),
    "version": lambda *_: {"version": VERSION, "schema": SCHEMA},
}


def _print(document: Any) -> None:
    print(json.dumps(document, sort_keys=True))


def entry() -> NoReturn:
    """Where the zipapp begins."""
    os.umask(0o077)
    raise SystemExit(main())

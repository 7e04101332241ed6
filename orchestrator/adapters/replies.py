"""What a host program's answers mean, where it takes more than a look at one word."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from orchestrator.adapters.ssh import Done, HostProgram, Reply
from orchestrator.plan.model import ChangeSet
from orchestrator.rollout.model import Diagnosis

#: How long a host may look for what is wrong, in seconds.
DIAGNOSING = 40


def unready(change_set: ChangeSet, reply: Reply) -> Iterator[tuple[str, str, str]]:
    """Gate, reason and what to do, for all that stops a host of a set; no answer stops it too."""
    if not isinstance(reply, Done):
        yield "ready", f"whether it can begin is not known: {reply.because}", "mend it"
        return
    for problem in _lines(reply.data, "problems"):
        yield "ready", problem, "mend it"
    if (silence := reply.data.get("silence")) != "":
        anchor, port = change_set.anchor.host, change_set.anchor_port
        because = f"it does not hear {anchor}, which decides for it: {silence}"
        yield "anchor", because, f"let it reach TCP port {port} there"


def diagnosis(program: HostProgram, host: str, change_set: str) -> Diagnosis:
    """What one host finds wrong around its product; no answer is *unknown*."""
    reply = program.call(host, ["diagnose", "--change", change_set], timeout=DIAGNOSING)
    if not isinstance(reply, Done):
        return Diagnosis(unknown=(reply.because,))
    return Diagnosis(found=_lines(reply.data, "found"), unknown=_lines(reply.data, "unknown"))


def _lines(data: dict[str, JsonValue], name: str) -> tuple[str, ...]:
    found = data.get(name)
    return tuple(str(one) for one in found) if isinstance(found, list) else (f"no {name} told",)

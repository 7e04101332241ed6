"""What the answers of a host program, and of Ansible, mean: where that takes more than a word."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from orchestrator.adapters.ansible import HostOutcome
from orchestrator.adapters.ssh import Done, HostProgram, Reply
from orchestrator.plan.model import ChangeSet, HostChange
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


def about(host: HostChange, hop: int) -> str:
    """Which release on the way something is about; nothing for the one that is ordered."""
    return f"on the way, at {host.hops[hop - 1].release}: " if hop else ""


def unsaid(outcome: HostOutcome, host: HostChange) -> tuple[str, ...]:
    """A precheck without a reason against must have looked: its roles say at what."""
    if not outcome.is_done:
        return (told(outcome),)
    looked = outcome.data.get("looked")
    said = {str(one).partition("/")[0] for one in looked} if isinstance(looked, list) else set()
    asked = [host.role, f"snapshot_{host.snapshot}", *(["dicom_spool"] if host.parking else [])]
    missing = [role for role in asked if role not in said]
    missed = [f"the precheck of role {role} looked at nothing" for role in missing]
    archives = any(volume.kind == "archive" for volume in host.volumes)
    return (
        *missed,
        *(["nobody looked at the archives"] if archives and "archives" not in said else []),
    )


def told(outcome: HostOutcome) -> str:
    """What became of an Ansible run on a host, for a person."""
    where = f" in '{outcome.task}'" if outcome.task else ""
    return f"{outcome.status}{where}: {outcome.because}"

"""The hosts of a facility, as the rollout sees them: Ansible prepares, the host program acts.

Decides what a host's answer means to the rollout. Refuses to read an answer that is none as
anything but *unreachable*.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from orchestrator.adapters.ansible import AnsibleRunner, HostOutcome, Verb
from orchestrator.adapters.orders import CHANGES, manifest, variables
from orchestrator.adapters.replies import about, diagnosis, told, unready, unsaid
from orchestrator.adapters.ssh import Broken, Done, HostProgram, Refused, Reply, Unreachable
from orchestrator.plan.model import ChangeSet, HostChange, Refusal
from orchestrator.rollout.model import (
    CONTROLLER,
    DecisionReport,
    Diagnosis,
    HostPhase,
    PhaseReport,
    Proposal,
)
from orchestrator.rollout.ports import Superseded

#: Seconds: what was staged is written to its disk, which may be slow (orchestrator/host/settle.py).
PREPARING = 360
#: How long one call waits for a phase on the host, in seconds; it is asked again after that.
WAIT = 20
#: How long a host may look whether it is ready, in seconds.
READY = 90
#: A shell's exit code for a program that is not there. (sudo ends with 1 and says so in words.)
_NO_SUCH_PROGRAM = 127


@dataclass(frozen=True)
class FacilityHosts:
    """``rollout.ports.Hosts``. ``inventory`` gives a change set's rendered inventory directory."""

    ansible: AnsibleRunner
    program: HostProgram
    inventory: Callable[[ChangeSet], Path]
    gates: Callable[[ChangeSet], tuple[Refusal, ...]]
    depot: Path
    host_program: Path

    def free_epoch(self, change_set: ChangeSet) -> int:
        """The highest epoch of hosts that no unfinished change holds."""
        known = [0]
        for host in change_set.hosts:
            reply = self.program.call(host.host, ["status"])
            if isinstance(reply, Done) and not _unfinished(reply.data):
                known.append(int(str(reply.data.get("epoch", 0))))
        return max(known)

    def stage(self, change_set: ChangeSet, *, epoch: int) -> tuple[str, ...]:
        """Ansible lays everything down; then the host program takes the manifest.

        A host that knows us is told the epoch first: what another change or controller holds is not
        written to.
        """
        problems = []
        key = secrets.token_hex(32)
        for host in change_set.hosts:
            problem = self._staged(change_set, host, epoch) or self._prepare(
                change_set, host, epoch, key
            )
            if problem:
                problems.append(f"{host.host}: {problem}")
        return tuple(problems)

    def _held(self, change_set: ChangeSet, host: HostChange, epoch: int) -> str:
        taken = self.program.call(host.host, ["take", "--epoch", str(epoch)])
        if isinstance(taken, Refused) and taken.refused == "epoch":
            raise Superseded(f"{host.host}: {taken.because}")
        if isinstance(taken, Broken) and _is_absent(taken):
            return ""
        if not isinstance(taken, Done):
            return taken.because
        status = self.program.call(host.host, ["status"])
        if not isinstance(status, Done):
            return status.because
        others = [one for one in _unfinished(status.data) if one != change_set.id]
        return f"change {others[0]} is not finished there" if others else ""

    def preflight(self, change_set: ChangeSet) -> tuple[Refusal, ...]:
        """What moved since the plan, the gates, and what the roles say."""
        refusals = list(self.gates(change_set))
        for host in change_set.hosts:
            reasons: list[str] = []
            for hop in range(len(host.hops) + 1):
                outcome = self._run(change_set, host, "precheck", hop)
                found = outcome.refusals or unsaid(outcome, host)
                # What every release is told against is told once.
                reasons += [f"{about(host, hop)}{one}" for one in found if one not in reasons]
            refusals += [
                Refusal(
                    facility=change_set.facility, host=host.host, gate="precheck",
                    because=reason, hint=f"mend it, then: wardship plan {change_set.facility}",
                )
                for reason in reasons
            ]  # fmt: skip
        return (*refusals, *self._unready(change_set))

    def _unready(self, change_set: ChangeSet) -> Iterator[Refusal]:
        """What would stop one host of a set after others were stopped already."""
        for host in change_set.hosts if change_set.members else ():
            order = ["ready", "--change", change_set.id]
            reply = self.program.call(host.host, order, timeout=READY)
            for gate, because, hint in unready(change_set, reply):
                yield Refusal(
                    facility=change_set.facility, host=host.host, gate=gate, because=because,
                    hint=f"{hint}, then: wardship plan {change_set.facility}",
                )  # fmt: skip

    def phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, *, epoch: int
    ) -> PhaseReport:
        """Start the phase or look at it; one call waits at most ``WAIT`` seconds."""
        reply = self._ask_for(change_set, host, phase, epoch)
        if isinstance(reply, Refused) and reply.refused == "anchor":
            word = self.program.call(change_set.anchor.host, ["said", "--change", change_set.id])
            if isinstance(word, Done) and self._hand_on(change_set, host, word, epoch):
                reply = self._ask_for(change_set, host, phase, epoch)
        if isinstance(reply, Done):
            names = ("state", "because", "seconds", "ended_ago")
            known = {name: reply.data.get(name) for name in names}
            return PhaseReport.model_validate({**known, "output": reply.data.get("output") or ""})
        if isinstance(reply, Refused) and reply.refused != "anchor":
            return PhaseReport(state="refused", refused=reply.refused, because=reply.because)
        # Only a report says *failed*: a program that broke, or a host that does not hear its
        # anchor, said nothing of the phase and is asked again.
        return PhaseReport(state="unreachable", because=reply.because)

    def decide(
        self, change_set: ChangeSet, proposal: Proposal, *, epoch: int, because: str
    ) -> DecisionReport:
        """Over a connection of its own: a decision is not made through one that may be dead."""
        reply = self.program.call(
            change_set.anchor.host,
            ["decide", *_of(change_set, epoch), "--propose", proposal, "--by", CONTROLLER,
             "--because", because[:1000]],
            fresh=True,
        )  # fmt: skip
        if isinstance(reply, Done):
            for host in change_set.members:
                self._hand_on(change_set, host, reply, epoch)
            return DecisionReport.model_validate(
                {name: reply.data.get(name) or "" for name in ("decision", "by", "because")}
            )
        refused = reply.refused if isinstance(reply, Refused) else None
        return DecisionReport(decision=None, because=reply.because, refused=refused)

    def reverse(
        self, change_set: ChangeSet, host: HostChange, *, epoch: int, because: str
    ) -> PhaseReport:
        """Order a committed change to be put back on a host."""
        order = ["reverse", *_of(change_set, epoch), "--because", because[:1000]]
        reply = self.program.call(host.host, order)
        if isinstance(reply, Refused):
            return PhaseReport(state="refused", refused=reply.refused, because=reply.because)
        if isinstance(reply, Done):
            for other in change_set.members:
                self._hand_on(change_set, other, reply, epoch)
            return PhaseReport(state="succeeded")
        return PhaseReport(state="unreachable", because=reply.because)

    def hands(self, change_set: ChangeSet, *, epoch: int, because: str) -> tuple[str, ...]:
        """Tell the hosts that a person is needed."""
        return self._order(
            change_set, ["hands", *_of(change_set, epoch), "--because", because[:1000]]
        )

    def diagnose(self, change_set: ChangeSet) -> Diagnosis:
        """What hosts find wrong around their products."""
        found: list[str] = []
        unknown: list[str] = []
        for host in change_set.hosts:
            one = diagnosis(self.program, host.host, change_set.id)
            found += [f"{host.host}: {what}" for what in one.found]
            unknown += [f"{host.host}: {what}" for what in one.unknown]
        return Diagnosis(found=tuple(found), unknown=tuple(unknown))

    def clear(self, change_set: ChangeSet, *, epoch: int, reason: str) -> tuple[str, ...]:
        """Give the hosts back; none where one does not answer."""
        replies = {host.host: self.status(host.host) for host in change_set.hosts}
        silent = [f"{name}: {r.because}" for name, r in replies.items() if not isinstance(r, Done)]
        if silent:
            return tuple(silent)
        order = ["clear", *_of(change_set, epoch), "--reason", reason[:1000]]
        return self._order(change_set, order)

    def census_before(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """The census that quiesce took."""
        found = self.program.fetch(host.host, f"{CHANGES}/{change_set.id}/census-before.json")
        return None if isinstance(found, Unreachable) else found.decode()

    def parked(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """What was parked, and what became of it."""
        reply = self.program.call(host.host, ["parked", "--change", change_set.id], timeout=60)
        return json.dumps(reply.data) if isinstance(reply, Done) else None

    def status(self, host: str) -> Reply:
        """What the host itself says."""
        return self.program.call(host, ["status"], timeout=20)

    def _order(self, change_set: ChangeSet, order: list[str]) -> tuple[str, ...]:
        problems = []
        for host in reversed(change_set.hosts):  # who decides for others, last
            reply = self.program.call(host.host, order, timeout=120)
            if isinstance(reply, Refused) and reply.refused == "epoch":
                raise Superseded(f"{host.host}: {reply.because}")
            if not isinstance(reply, Done):
                problems.append(f"{host.host}: {reply.because}")
        return tuple(problems)

    def _ask_for(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, epoch: int
    ) -> Reply:
        order = ["phase", phase, *_of(change_set, epoch), "--wait", str(WAIT)]
        return self.program.call(host.host, order, timeout=WAIT + 25)

    def _hand_on(self, change_set: ChangeSet, host: HostChange, reply: Done, epoch: int) -> bool:
        """What the anchor said, to a member; who is not reached asks the anchor himself."""
        said = str(reply.data.get("said") or "")
        order = ["heed", *_of(change_set, epoch), "--said", said]
        taken = self.program.call(host.host, order) if said else None
        if isinstance(taken, Refused) and taken.refused == "epoch":
            raise Superseded(f"{host.host}: {taken.because}")
        return isinstance(taken, Done)

    def _prepare(self, change_set: ChangeSet, host: HostChange, epoch: int, key: str) -> str:
        document = manifest(change_set, host) | ({"key": key} if change_set.members else {})
        reply = self.program.call(
            host.host,
            ["prepare", "--epoch", str(epoch)],
            stdin=json.dumps(document).encode(),
            timeout=PREPARING,
        )
        if isinstance(reply, Refused) and reply.refused == "epoch":
            raise Superseded(f"{host.host}: {reply.because}")
        return "" if isinstance(reply, Done) else reply.because

    def _staged(self, change_set: ChangeSet, host: HostChange, epoch: int) -> str:
        """The ordered release, then those on the way; each takes minutes on a thin line, so
        whether somebody else has the host is asked before each."""
        for hop in range(len(host.hops) + 1):
            if held := self._held(change_set, host, epoch):
                return held
            outcome = self._run(change_set, host, "stage", hop)
            if not outcome.is_done:
                return f"{about(host, hop)}{told(outcome)}"
        return ""

    def _run(self, change_set: ChangeSet, host: HostChange, verb: Verb, hop: int) -> HostOutcome:
        given = variables(
            change_set, host, depot=self.depot, host_program=self.host_program, hop=hop
        )
        outcomes = self.ansible.run(
            verb, inventory=self.inventory(change_set), hosts=[host.host], extra_vars=given
        )
        return outcomes[host.host]


def _is_absent(reply: Broken) -> bool:
    """Whether the host program is not there: this host was never staged."""
    return reply.exit_code == _NO_SUCH_PROGRAM or "command not found" in reply.because


def _of(change_set: ChangeSet, epoch: int) -> list[str]:
    return ["--change", change_set.id, "--epoch", str(epoch)]


def _unfinished(status: dict[str, JsonValue]) -> list[str]:
    changes = status.get("changes")
    known = [one for one in changes if isinstance(one, dict)] if isinstance(changes, list) else []
    return [str(one.get("change")) for one in known if one.get("needs") != "nothing"]

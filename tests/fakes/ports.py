"""The rollout's ports over a ``HospitalProcess``, and what kills its process at a boundary."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.plan.model import ChangeSet, HostChange, Refusal
from orchestrator.rollout.model import DecisionReport, Diagnosis, HostPhase, PhaseReport, Proposal
from orchestrator.rollout.ports import Superseded
from orchestrator.verify.model import CheckReport, CheckResult, Moment
from tests.fakes.hospital import call


@dataclass
class FakeHosts:
    """``rollout.ports.Hosts`` over the socket."""

    path: Path

    def free_epoch(self, change_set: ChangeSet) -> int:
        """What the hospital remembers, while nothing is under way."""
        seen = call(self.path, "look")
        return 0 if seen["phases"] else int(seen["epoch"])

    def stage(self, change_set: ChangeSet, *, epoch: int) -> tuple[str, ...]:
        """Lay down."""
        answer = call(self.path, "stage", epoch=epoch)
        if answer.get("refused") == "epoch":
            raise Superseded(answer["because"])
        return tuple(answer["problems"])

    def preflight(self, change_set: ChangeSet) -> tuple[Refusal, ...]:
        """Gates."""
        return tuple(
            Refusal(facility=change_set.facility, gate="fake", because=why, hint="mend it")
            for why in call(self.path, "preflight")["refusals"]
        )

    def phase(
        self, change_set: ChangeSet, host: HostChange, phase: HostPhase, *, epoch: int
    ) -> PhaseReport:
        """A phase."""
        answer = call(self.path, "phase", phase=phase, epoch=epoch)
        return PhaseReport.model_validate({"state": "refused", **answer})

    def decide(
        self, change_set: ChangeSet, proposal: Proposal, *, epoch: int, because: str
    ) -> DecisionReport:
        """Propose."""
        answer = call(self.path, "decide", proposal=proposal, epoch=epoch, because=because)
        return DecisionReport.model_validate({"decision": None, **answer})

    def reverse(
        self, change_set: ChangeSet, host: HostChange, *, epoch: int, because: str
    ) -> PhaseReport:
        """Order back."""
        answer = call(self.path, "reverse", epoch=epoch)
        return PhaseReport.model_validate({"state": "refused", **answer})

    def hands(self, change_set: ChangeSet, *, epoch: int, because: str) -> tuple[str, ...]:
        """A person is needed."""
        return self._told("hands", epoch)

    def diagnose(self, change_set: ChangeSet) -> Diagnosis:
        """What is wrong there."""
        return Diagnosis(found=tuple(call(self.path, "diagnose")["found"]))

    def census_before(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """What quiesce counted."""
        census: str | None = call(self.path, "census")["census"]
        return census

    def parked(self, change_set: ChangeSet, host: HostChange) -> str | None:
        """What the spool says."""
        return json.dumps(call(self.path, "parked"))

    def clear(self, change_set: ChangeSet, *, epoch: int, reason: str) -> tuple[str, ...]:
        """Give back."""
        return self._told("clear", epoch)

    def _told(self, verb: str, epoch: int) -> tuple[str, ...]:
        answer = call(self.path, verb, epoch=epoch)
        if answer.get("refused") == "epoch":
            raise Superseded(answer["because"])
        return (str(answer["because"]),) if "refused" in answer else ()


@dataclass
class FakeVerifier:
    """``rollout.ports.Verifier`` over the socket: one check, ``images``."""

    path: Path

    def check(
        self,
        change_set: ChangeSet,
        host: HostChange,
        moment: Moment,
        *,
        baseline: CheckReport | None,
        census_before: str | None,
    ) -> CheckReport:
        """Look."""
        seen = call(self.path, "check", moment=moment)
        status = seen["status"]
        results = [CheckResult(check="images", status=status, because=f"images are {status}")]
        if seen["slow"]:
            results.append(CheckResult(check="retrieve-time", status="failed", because="slow"))
        return CheckReport(
            change_set=change_set.id,
            host=host.host,
            moment=moment,
            taken_at=datetime.now(UTC),
            results=tuple(results),
        )

    def expected(self, host: HostChange, moment: Moment) -> tuple[str, ...]:
        """One."""
        return ("images",)


class FakeClock:
    """Time that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """From the first second of 2026 on."""
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.seconds += seconds


class Deadly:
    """Hands every call on, and kills its process before or after the n-th one (counted from 0)."""

    def __init__(self, inner: Any, count: Callable[[], int], *, at: int) -> None:
        self._inner, self._count, self._at = inner, count, at

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):
            return method

        def deadly(*args: Any, **kwargs: Any) -> Any:
            self._die()
            answer = method(*args, **kwargs)
            self._die()
            return answer

        return deadly

    def _die(self) -> None:
        if self._count() == self._at:
            os.kill(os.getpid(), signal.SIGKILL)

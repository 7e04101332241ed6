"""Looks at a change set's products through the verifier, and keeps what was seen.

Decides when an answer is final: passed and failed at once, unknown when patience is over. Unknown
is never a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.plan.model import ChangeSet, HostChange
from orchestrator.rollout.asking import PAUSE
from orchestrator.rollout.model import Outcome
from orchestrator.rollout.ports import Clock, Journal, Verifier
from orchestrator.verify.judge import judge
from orchestrator.verify.model import CheckReport, Moment, Status, Verdict


@dataclass(frozen=True)
class Looking:
    """The verifier; every report is kept in the journal as ``<moment>/<host>``.

    ``trial``: it is not known which moment this is, and only a report that passes is kept: one that
    does not would stand in the place of what was seen then.
    """

    verifier: Verifier
    journal: Journal
    clock: Clock
    epoch: int
    trial: bool = False

    def verdict(self, change_set: ChangeSet, moment: Moment) -> Outcome:
        """All checks on every host; unknown is asked again while the set's patience lasts."""
        until = self.clock.monotonic() + change_set.verify.patience_seconds
        while True:
            reports = [(host, self._look(change_set, host, moment)) for host in change_set.hosts]
            verdicts = [
                (host, judge(self.verifier.expected(host, moment), report))
                for host, report in reports
            ]
            worst = _worst(verdict for _, verdict in verdicts)
            if worst == "passed" or not self.trial:
                self._keep(change_set, reports)
            if worst != "unknown" or self.clock.monotonic() > until:
                break
            self.clock.sleep(PAUSE)
        ails = [f"{host.host}: {one}" for host, verdict in verdicts for one in verdict.ails]
        if worst == "passed":
            return Outcome.done(ails=list(ails)) if ails else Outcome.done()
        return Outcome.failed(
            "; ".join(
                f"{host.host}: {reason}"
                for host, verdict in verdicts
                if verdict.status != "passed"
                for reason in verdict.because
            ),
            verdict=worst,
        )

    def _look(self, change_set: ChangeSet, host: HostChange, moment: Moment) -> CheckReport:
        known = self.journal.document(change_set.id, f"baseline/{host.host}")
        baseline = CheckReport.model_validate_json(known) if known else None
        return self.verifier.check(
            change_set,
            host,
            moment,
            baseline=None if moment == "baseline" else baseline,
            census_before=self.journal.document(change_set.id, f"census-before/{host.host}"),
        )

    def _keep(
        self, change_set: ChangeSet, reports: Sequence[tuple[HostChange, CheckReport]]
    ) -> None:
        for host, report in reports:
            name = f"{report.moment}/{host.host}"
            self.journal.keep(change_set.id, name, report.model_dump_json(), epoch=self.epoch)


def _worst(verdicts: Iterable[Verdict]) -> Status:
    found = {verdict.status for verdict in verdicts}
    order: tuple[Status, ...] = ("failed", "unknown", "passed")
    return next(status for status in order if status in found)

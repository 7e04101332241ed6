"""What a plan would change, asked of the hosts in check mode; what was measured before.

Nothing is changed. A host whose staging would fail, or that does not answer, has a *failure* in its
prediction: the plan refuses it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.adapters.ansible import HostOutcome
from orchestrator.adapters.journal import SqlJournal
from orchestrator.adapters.orders import variables
from orchestrator.adapters.secrets import Secrets
from orchestrator.fleet import inventory
from orchestrator.fleet.model import Fleet
from orchestrator.plan.model import ChangeSet, FileDifference, Plan, Prediction
from orchestrator.plan.outage import Measured
from orchestrator.report.timeline import outage_seconds
from orchestrator.rollout.model import State
from orchestrator.wiring.ports import build_programs
from orchestrator.wiring.survey import Say, ansible_runner, secrets_of, ssh_configuration

#: Our own places on a host: what is laid down there is certain, and no news to anybody.
OURS = ("/var/lib/wardship", "/usr/local/lib/wardship")


def predict(fleet: Fleet, plan: Plan, say: Say = lambda _: None) -> dict[str, Prediction]:
    """What staging would make different, by host, of every host that the plan changes.

    One run of Ansible a facility, whatever the number of its hosts.
    """
    ansible = ansible_runner(fleet, ssh_configuration(fleet))
    program = build_programs(fleet)
    secrets = Secrets(fleet)
    facilities: dict[str, list[ChangeSet]] = {}
    for change_set in plan.change_sets:
        facilities.setdefault(change_set.facility, []).append(change_set)

    def ask(facility: str) -> dict[str, Prediction]:
        say(f"{facility}: predicting what would change")
        told = {
            host.host: variables(
                change_set, host, depot=fleet.path(fleet.settings.depot), host_program=program
            )
            for change_set in facilities[facility]
            for host in change_set.hosts
        }
        roots = {host.host: host.root for each in facilities[facility] for host in each.hosts}
        with TemporaryDirectory(prefix="inventory-", dir=fleet.state) as directory:
            files = inventory.render(fleet, facility)
            for host, values in told.items():
                files |= inventory.host_variables(host, values)
            inventory.write(files, Path(directory))
            outcomes = ansible.run(
                "stage", inventory=Path(directory), hosts=list(told), extra_vars={}, check=True,
                hide=secrets_of(fleet, facility, secrets),
            )  # fmt: skip
        return {host: prediction(outcomes[host], root) for host, root in roots.items()}

    with ThreadPoolExecutor(max_workers=fleet.settings.parallel) as pool:
        answers = list(pool.map(ask, facilities))
    return {host: one for answer in answers for host, one in answer.items()}


def prediction(outcome: HostOutcome, root: str) -> Prediction:
    """What a run in check mode says of a host. ``root``: where releases lie; those are certain."""
    if not outcome.is_done:
        where = f" in '{outcome.task}'" if outcome.task else ""
        return Prediction(failure=f"{outcome.status}{where}: {outcome.because}")
    return Prediction(
        differences=tuple(
            FileDifference(path=one.path, text=one.text)
            for one in outcome.differences
            if not one.path.startswith((*OURS, f"{root}/"))
        )
    )


def measured(fleet: Fleet) -> tuple[Measured, ...]:
    """The outages of this fleet's committed changes, oldest first; none without a journal."""
    file = fleet.state / "journal.sqlite"
    if not file.exists():
        return ()
    journal = SqlJournal(file)
    try:
        records = journal.records()
    finally:
        journal.close()
    return tuple(
        Measured(
            facility=record.change_set.facility,
            host=host.host,
            product=host.product,
            way=host.way,
            day=f"{record.since:%Y-%m-%d}",
            # Of a set each host has its share: those who expect it add them up again.
            seconds=outage_seconds(record) / len(record.change_set.hosts),
        )
        for record in records
        if record.state is State.COMMITTED
        for host in record.change_set.hosts
    )

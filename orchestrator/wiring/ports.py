"""Makes the ports of a rollout over the real hosts of a fleet."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from orchestrator import resources
from orchestrator.adapters.backups import look_at_backups
from orchestrator.adapters.bridgeprogram import build_bridge_program
from orchestrator.adapters.certificates import look_at_certificates
from orchestrator.adapters.depot import look_at_ordered
from orchestrator.adapters.facility import FacilityHosts
from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.adapters.journal import SqlJournal, utc_now
from orchestrator.adapters.orders import BRIDGE_PROGRAM, SPOOL_PROGRAM
from orchestrator.adapters.secrets import Secrets
from orchestrator.adapters.spoolprogram import build_spool_program
from orchestrator.adapters.verifier import TunnelVerifier
from orchestrator.fleet import inventory
from orchestrator.fleet.model import Fleet
from orchestrator.plan.gates import gates, moved
from orchestrator.plan.model import ChangeSet, Plan, Refusal
from orchestrator.plan.prospect import prospect
from orchestrator.rollout.steps import Steps
from orchestrator.wiring.survey import (
    ansible_runner,
    host_program,
    ssh_configuration,
    survey_fleet,
)


class SystemClock:
    """Time as it is."""

    def now(self) -> datetime:
        """UTC."""
        return utc_now()

    def monotonic(self) -> float:
        """Seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def run_directory(fleet: Fleet, plan: str) -> Path:
    """Where a plan's rendered inventories and the files of its run are."""
    return fleet.state / "runs" / plan[:12]


def render_inventories(fleet: Fleet, plan: Plan) -> None:
    """Write the inventory of each facility of a plan, as it will be used to the end."""
    for facility in {one.facility for one in plan.change_sets}:
        target = run_directory(fleet, plan.digest) / "inventory" / facility
        inventory.write(inventory.render(fleet, facility), target)


def make_steps(fleet: Fleet, journal: SqlJournal, *, runner: str) -> Steps:
    """The steps of a rollout over this fleet's hosts."""
    ssh_config = ssh_configuration(fleet)
    program = host_program(fleet, ssh_config)
    zipapp = build_programs(fleet)
    hosts = FacilityHosts(
        ansible=ansible_runner(fleet, ssh_config),
        program=program,
        inventory=lambda cs: (
            run_directory(fleet, journal.record(cs.id).plan) / "inventory" / cs.facility
        ),
        gates=lambda cs: _gates(fleet, cs),
        depot=fleet.directory / fleet.settings.depot,
        host_program=zipapp,
    )
    verifier = TunnelVerifier(
        program=program,
        ssh_config=ssh_config,
        secret=Secrets(fleet).resolve,
        path=fleet.path,
        roles=resources.roles(),
    )
    return Steps(
        hosts=hosts, verifier=verifier, journal=journal, clock=SystemClock(), runner=runner
    )


def build_programs(fleet: Fleet) -> Path:
    """The programs that are laid down on hosts, beside one another; where the host program is."""
    host_program = fleet.state / "wardship-host"
    build_host_program(host_program)
    if fleet.parks:
        build_spool_program(host_program.with_name(SPOOL_PROGRAM))
    if any(role.kind == "ris" for role in fleet.roles.values()):
        build_bridge_program(host_program.with_name(BRIDGE_PROGRAM))
    return host_program


def _gates(fleet: Fleet, change_set: ChangeSet) -> tuple[Refusal, ...]:
    """What moved since the plan, and everything that would refuse it now."""
    survey = survey_fleet(fleet, [change_set.facility])[change_set.facility]
    again = f"wardship plan {change_set.facility}"
    refusals = [
        Refusal(facility=change_set.facility, gate="survey", because=problem, hint=again)
        for problem in survey.problems
    ]
    found = {host.host: host for host in survey.hosts}
    depot = look_at_ordered(fleet, {change_set.facility: survey})
    backups = look_at_backups(fleet, [change_set.facility])
    certificates = look_at_certificates(fleet, [change_set.facility])
    for host in change_set.hosts:
        if (now := found.get(host.host)) is None:
            continue
        refusals += [
            Refusal(
                facility=change_set.facility, host=host.host, gate="moved", because=what, hint=again
            )
            for what in moved(host, now)
        ]
        refusals += gates(
            prospect(
                fleet,
                change_set.facility,
                host.host,
                to_release=host.to_release,
                survey=now,
                artifacts=depot,
                now=utc_now(),
                backup=backups.get(host.host),
                certificates=certificates.get(host.host),
                own=change_set.id,
                planned=tuple(hop.release for hop in host.hops),
            )
        )
    return tuple(refusals)

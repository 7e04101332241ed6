"""Makes the ports of a rollout over the real hosts of a fleet."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from orchestrator import resources
from orchestrator.adapters.ansible import AnsibleRunner
from orchestrator.adapters.facility import FacilityHosts
from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.adapters.journal import SqlJournal, utc_now
from orchestrator.adapters.secrets import Secrets
from orchestrator.adapters.ssh import HostProgram, Target, control_directory, write_ssh_config
from orchestrator.adapters.verifier import TunnelVerifier
from orchestrator.fleet import inventory
from orchestrator.fleet.model import Fleet
from orchestrator.plan.model import Plan
from orchestrator.rollout.steps import Steps


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
    return fleet.directory / ".wardship" / "runs" / plan[:12]


def render_inventories(fleet: Fleet, plan: Plan) -> None:
    """Write the inventory of each facility of a plan, as it will be used to the end."""
    for facility in {one.facility for one in plan.change_sets}:
        target = run_directory(fleet, plan.digest) / "inventory" / facility
        inventory.write(inventory.render(fleet, facility), target)


def make_steps(fleet: Fleet, journal: SqlJournal, *, runner: str) -> Steps:
    """The steps of a rollout over this fleet's hosts."""
    state = fleet.directory / ".wardship"
    ssh_config = write_ssh_config(
        state / "ssh_config",
        [
            Target(name=name, address=host.address, ssh=fleet.ssh_of(host))
            for facility in fleet.facilities.values()
            for name, host in facility.hosts.items()
        ],
        fleet=fleet.directory,
        known_hosts=fleet.directory / "known_hosts",
        control_dir=control_directory(fleet.directory),
    )
    program = HostProgram(
        ssh_config,
        become={
            name: fleet.ssh_of(host).become
            for facility in fleet.facilities.values()
            for name, host in facility.hosts.items()
        },
    )
    zipapp = state / "wardship-host"
    build_host_program(zipapp)
    secrets = Secrets(fleet)
    vault = fleet.settings.vault
    ansible = AnsibleRunner(
        playbooks=resources.playbooks(),
        roles=resources.roles(),
        runtime=state / "ansible",
        ssh_config=ssh_config,
        vault_password_file=fleet.directory / vault.password_file
        if vault and vault.password_file
        else None,
    )
    hosts = FacilityHosts(
        ansible=ansible,
        program=program,
        inventory=lambda cs: (
            run_directory(fleet, journal.record(cs.id).plan) / "inventory" / cs.facility
        ),
        gates=lambda cs: _gates(fleet, cs),
        depot=fleet.directory / fleet.settings.depot,
        host_program=zipapp,
    )
    verifier = TunnelVerifier(
        program=program, ssh_config=ssh_config, secret=secrets.resolve, roles=resources.roles()
    )
    return Steps(
        hosts=hosts, verifier=verifier, journal=journal, clock=SystemClock(), runner=runner
    )

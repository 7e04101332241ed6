"""Looks at the hosts of a fleet through Ansible: nothing is changed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator import resources
from orchestrator.adapters.ansible import AnsibleRunner, HostOutcome
from orchestrator.adapters.journal import SqlJournal
from orchestrator.adapters.secrets import Secrets, vault_password_file
from orchestrator.adapters.ssh import HostProgram, Unreachable
from orchestrator.adapters.ssh_config import Target, control_directory, write_ssh_config
from orchestrator.errors import FleetError
from orchestrator.fleet import inventory
from orchestrator.fleet.model import Fleet
from orchestrator.survey.model import ClockSurvey, FacilitySurvey, HostSurvey
from orchestrator.survey.parse import facility_survey

Say = Callable[[str], None]


def survey_fleet(
    fleet: Fleet, facilities: Sequence[str] = (), say: Say = lambda _: None
) -> dict[str, FacilitySurvey]:
    """What is there, by facility; of every facility where none is named.

    A host that does not answer is a problem in its facility's survey.

    Raises:
        FleetError: a facility that is named is not declared.
    """
    names = wanted(fleet, facilities)
    ssh_config = ssh_configuration(fleet)
    ansible, program = ansible_runner(fleet, ssh_config), host_program(fleet, ssh_config)
    secrets = Secrets(fleet)

    def look(name: str) -> FacilitySurvey:
        return _survey(fleet, name, ansible, program, secrets, say)

    with ThreadPoolExecutor(max_workers=fleet.settings.parallel) as pool:
        surveys = pool.map(look, names)
        return dict(zip(names, surveys, strict=True))


def wanted(fleet: Fleet, facilities: Sequence[str]) -> list[str]:
    """The facilities that are named, each once; all of them where none is."""
    unknown = [name for name in facilities if name not in fleet.facilities]
    if unknown:
        raise FleetError(
            f"no facility {', '.join(unknown)}",
            hint=f"declared are: {', '.join(sorted(fleet.facilities))}",
        )
    return sorted(set(facilities) or set(fleet.facilities))


def ssh_configuration(fleet: Fleet) -> Path:
    """Write the fleet's one ssh configuration."""
    fleet.state.mkdir(mode=0o700, exist_ok=True)
    return write_ssh_config(
        fleet.state / "ssh_config",
        [
            Target(name=name, address=host.address, ssh=fleet.ssh_of(host))
            for facility in fleet.facilities.values()
            for name, host in facility.hosts.items()
        ],
        fleet=fleet.directory,
        known_hosts=fleet.known_hosts,
        control_dir=control_directory(fleet.directory),
    )


def host_program(fleet: Fleet, ssh_config: Path) -> HostProgram:
    """The host program on this fleet's hosts."""
    return HostProgram(
        ssh_config,
        become={
            name: fleet.ssh_of(host).become
            for facility in fleet.facilities.values()
            for name, host in facility.hosts.items()
        },
    )


def ansible_runner(fleet: Fleet, ssh_config: Path) -> AnsibleRunner:
    """Ansible for this fleet."""
    return AnsibleRunner(
        playbooks=resources.playbooks(),
        roles=resources.roles(),
        runtime=fleet.state / "ansible",
        ssh_config=ssh_config,
        vault_password_file=vault_password_file(fleet),
    )


def _survey(
    fleet: Fleet,
    facility: str,
    ansible: AnsibleRunner,
    program: HostProgram,
    secrets: Secrets,
    say: Say,
) -> FacilitySurvey:
    hosts = list(fleet.facilities[facility].hosts)
    say(f"{facility}: looking at {', '.join(hosts)}")
    taken_at = datetime.now(UTC)
    with TemporaryDirectory(prefix="inventory-", dir=fleet.state) as directory:
        inventory.write(inventory.render(fleet, facility), Path(directory))
        outcomes = ansible.run(
            "survey", inventory=Path(directory), hosts=hosts, extra_vars={},
            hide=secrets_of(fleet, facility, secrets),
        )  # fmt: skip
    answers = {name: outcome.data for name, outcome in outcomes.items() if outcome.is_done}
    failures = {name: _told(one) for name, one in outcomes.items() if not one.is_done}
    found = facility_survey(facility, answers, failures=failures, taken_at=taken_at)
    clocks = {host.host: program.clock(host.host) for host in found.hosts}
    dated = tuple(_dated(host, clocks[host.host]) for host in found.hosts)
    return found.model_copy(update={"hosts": dated})


def _dated(host: HostSurvey, clock: ClockSurvey | Unreachable) -> HostSurvey:
    """With its clock, where that was learned."""
    return host if isinstance(clock, Unreachable) else host.model_copy(update={"clock": clock})


def _told(outcome: HostOutcome) -> str:
    is_reached = outcome.task and outcome.status != "unreachable"
    where = f" in '{outcome.task}'" if is_reached else ""
    return f"{outcome.status}{where}: {outcome.because}"


def secrets_of(fleet: Fleet, facility: str, secrets: Secrets) -> list[str]:
    """What must not be in anything that is told of a facility's hosts, the longest first."""
    hosts = fleet.facilities[facility].hosts.values()
    return sorted({each for host in hosts for each in secrets.known(host)}, key=len, reverse=True)


def earlier_attempts(fleet: Fleet) -> dict[str, int]:
    """How many change sets each facility has had; none where there is no journal yet."""
    file = fleet.state / "journal.sqlite"
    if not file.exists():
        return {}
    journal = SqlJournal(file)
    try:
        return journal.attempts()
    finally:
        journal.close()

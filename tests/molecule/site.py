"""The lab hosts that the scenarios of a run share, and the change sets that they are about.

Everything a playbook is told comes from where production has it: the fleet's plan, its rendered
inventory, its one ssh configuration, the host program as it is built.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator import resources
from orchestrator.adapters.bridgeprogram import build_bridge_program
from orchestrator.adapters.facility import FacilityHosts
from orchestrator.adapters.hostprogram import build_host_program
from orchestrator.adapters.orders import BRIDGE_PROGRAM, SPOOL_PROGRAM, variables
from orchestrator.adapters.secrets import Secrets
from orchestrator.adapters.spoolprogram import build_spool_program
from orchestrator.adapters.ssh import HostProgram
from orchestrator.adapters.verifier import TunnelVerifier
from orchestrator.fleet import inventory
from orchestrator.fleet.load import load
from orchestrator.lab.demo import Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.loss import lost_from
from orchestrator.lab.model import PLAIN_HOST, RIS_HOST, SHARED_RIS_HOST
from orchestrator.lab.radiology import Radiology
from orchestrator.plan import store
from orchestrator.plan.model import ChangeSet
from orchestrator.plan.parking import HostParking, ParkedDicom, ParkedFor
from orchestrator.wiring.survey import ansible_runner, host_program, ssh_configuration
from tests.lab.controlled import CACHE, LABS
from tests.lab.pacs import Pacs
from tests.lab.ris import Ris

#: It has PAM and logind, as installed hospitals have them.
HOST = "pacs-b"
#: Scenarios of roles that this host has no use for, and the host that has.
ELSEWHERE = {
    "snapshot_copy": PLAIN_HOST.name,
    "gnuhealth": RIS_HOST.name,
    "gnuhealth_restore": RIS_HOST.name,
    "snapshot_postgres": SHARED_RIS_HOST.name,
}
RIS_HOSTS = {spec.name: spec for spec in (RIS_HOST, SHARED_RIS_HOST)}
#: Ansible's ssh: the lab's hosts are reached from the controller's network only.
SSH = """#!/bin/sh
exec {enter} ssh "$@"
"""


class Site:
    """The host of the lab ``name`` that a scenario is about."""

    def __init__(self, name: str, host: str = HOST) -> None:
        self.host = host
        self.lab = Lab(name, state=LABS, cache=CACHE, say=print)
        self.demo = Demo(self.lab, say=print)
        self.radiology = Radiology(self.lab, say=print, spec=RIS_HOSTS.get(host, RIS_HOST))
        self.under = Ris(self.radiology) if host in RIS_HOSTS else Pacs(self.demo, host)
        #: What the playbooks of a run are given, and what scenarios keep from step to step.
        self.kept = self.lab.home / "molecule" / host

    def create(self) -> None:
        """A plan for the hospital as found, and what Ansible needs to reach it."""
        self.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        (change_set,) = (
            one
            for one in store.find(self.under.state, self.under.plan()).change_sets
            if one.anchor.host == self.host
        )
        (self.kept / "change-set.json").write_text(change_set.model_dump_json())
        build_host_program(self.kept / "wardship-host")
        build_spool_program(self.kept / SPOOL_PROGRAM)
        build_bridge_program(self.kept / BRIDGE_PROGRAM)
        ssh = self.kept / "ssh"
        ssh.write_text(SSH.format(enter=" ".join(self.lab.enter_argv())))
        ssh.chmod(0o700)
        fleet = load(self.under.fleet)
        told = variables(
            change_set,
            change_set.anchor,
            depot=fleet.directory / fleet.settings.depot,
            host_program=self.kept / "wardship-host",
        )
        reached = {
            "ansible_host": self.host,
            "ansible_ssh_args": f"-F {ssh_configuration(fleet)}",
            "ansible_ssh_common_args": "",
            "ansible_ssh_executable": str(ssh),
            "ansible_ssh_transfer_method": "piped",
            "wardship_roles": str(resources.roles()),
        }
        files = inventory.render(fleet, self.under.facility)
        files |= inventory.host_variables(self.host, {**told, **reached})
        inventory.write(files, self.inventory)

    def reset(self) -> None:
        """The hospital as found."""
        self.program.close(self.host)
        if isinstance(self.under, Ris):
            self.radiology.reset()
        else:
            self.demo.reset(self.host)

    def lost(self) -> list[str]:
        """The images that are not there any more. What a RIS has lost, its database's rows tell."""
        if isinstance(self.under, Ris):
            return []
        lost = lost_from(self.demo.rest(self.host), self.demo.objects(self.host))
        return [f"image {one.object.sop}: {one.because}" for one in lost]

    def enter(self) -> None:
        """Go on in the controller's network, from where hosts are reached: this program anew."""
        argv = self.lab.enter_argv()
        wanted = argv[1].removeprefix("--net=")
        if not os.path.samestat(Path(wanted).stat(), Path("/proc/self/ns/net").stat()):
            os.execvp(argv[0], [*argv, *sys.orig_argv])  # noqa: S606 - an argument list

    @property
    def inventory(self) -> Path:
        """Production's inventory of the facility, and how it is reached here."""
        return self.kept / "inventory"

    @property
    def change_set(self) -> ChangeSet:
        """What the plan would do to the host."""
        return ChangeSet.model_validate_json((self.kept / "change-set.json").read_text())

    @property
    def parked(self) -> ChangeSet:
        """The same, with the host's intake parked."""
        host = self.change_set.anchor
        assert host.dicom is not None
        dicom = ParkedDicom(
            ae_title=host.dicom.ae_title,
            port=host.dicom.port,
            spool_port=11042,
            modalities=(ParkedFor(ae_title="MR1", address="192.0.2.1", port=104),),
        )
        parking = HostParking(directory="/var/lib/wardship-spool", quota_mib=64, dicom=dicom)
        changed = host.model_copy(update={"parking": parking})
        return self.change_set.model_copy(update={"hosts": (changed,)})

    @property
    def ssh_config(self) -> Path:
        """The fleet's."""
        return self.under.state / "ssh_config"

    @property
    def program(self) -> HostProgram:
        """The host program, as the controller calls it."""
        return host_program(load(self.under.fleet), self.ssh_config)

    def hosts(self) -> FacilityHosts:
        """The host, as a rollout sees it. What only gates look at is none of a role's."""
        fleet = load(self.under.fleet)
        return FacilityHosts(
            ansible=ansible_runner(fleet, self.ssh_config),
            program=self.program,
            inventory=lambda _: self.inventory,
            gates=lambda _: (),
            depot=fleet.directory / fleet.settings.depot,
            host_program=self.kept / "wardship-host",
        )

    def verifier(self, roles: Path) -> TunnelVerifier:
        """Production's, with the checks of the roles in ``roles``."""
        fleet = load(self.under.fleet)
        return TunnelVerifier(
            program=self.program,
            ssh_config=self.ssh_config,
            secret=Secrets(fleet).resolve,
            path=fleet.path,
            roles=roles,
        )

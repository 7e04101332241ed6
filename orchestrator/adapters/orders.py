"""How a change set is told to a host: as variables to Ansible, as a manifest to the host program.

Decides nothing: all of it stands in the plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from orchestrator.plan.model import ChangeSet, HostChange

#: Beside the host program, on the controller.
SPOOL_PROGRAM = "wardship-spool"
BRIDGE_PROGRAM = "wardship-bridge"
CHANGES = "/var/lib/wardship/changes"


def variables(
    change_set: ChangeSet, host: HostChange, *, depot: Path, host_program: Path, hop: int = 0
) -> dict[str, JsonValue]:
    """What the verbs of a change are told, beside the inventory (docs/roles.md).

    ``hop``: they are about that release on the way, counted from 1, which has its own directory.
    """
    artifact, release = host.artifact, host.to_release
    directory = f"{CHANGES}/{change_set.id}"
    if hop:
        artifact, release = host.hops[hop - 1].artifact, host.hops[hop - 1].release
        directory = f"{directory}/hops/{hop}"
    return {
        "wardship_change_set": change_set.id,
        "wardship_change_dir": directory,
        "wardship_from_release": host.from_release,
        "wardship_to_release": release,
        "wardship_host_program_path": str(host_program),
        "wardship_parking": _parking(host),
        "wardship_spool_program_path": str(host_program.with_name(SPOOL_PROGRAM)),
        "wardship_bridge_program_path": str(host_program.with_name(BRIDGE_PROGRAM)),
        "wardship_artifact": {
            "path": str(depot / artifact.file),
            "file": artifact.file,
            "sha256": artifact.sha256,
            "size": artifact.size,
        },
    }


def _parking(host: HostChange) -> dict[str, JsonValue]:
    """What the spool's role has to know; empty where nothing is parked."""
    if host.parking is None:
        return {}
    dicom = host.parking.dicom
    own = [dicom.spool_port, *(one.spool_port for one in host.parking.mllp)]
    identity = list(dicom.tls.model_dump().values()) if dicom.tls else []
    return {
        "directory": host.parking.directory,
        "quota_mib": host.parking.quota_mib,
        "ports": list(own),
        "identity": identity,
    }


def manifest(change_set: ChangeSet, host: HostChange) -> dict[str, Any]:
    """What a host must know of its part in a change set (docs/host-program.md)."""
    return _alone(change_set, host) | _together(change_set)


def _together(change_set: ChangeSet) -> dict[str, Any]:
    """Who decides for whom; empty where a host changes alone."""
    if not change_set.members:
        return {}
    together = {
        "anchor": change_set.anchor.host,
        "address": change_set.anchor.address,
        "port": change_set.anchor_port,
        "hosts": [host.host for host in change_set.hosts],
    }
    return {"together": together}


def _alone(change_set: ChangeSet, host: HostChange) -> dict[str, Any]:
    return {
        "schema": 1,
        "change_set": change_set.id,
        "facility": change_set.facility,
        "host": host.host,
        "product": host.product,
        "from_release": host.from_release,
        "to_release": host.to_release,
        "switch": {"kind": "rename", "root": host.root},
        "install": [one.model_dump() for one in host.install],
        "services": list(host.services),
        "provider": host.snapshot,
        "volumes": [volume.model_dump(mode="json", by_alias=True) for volume in host.volumes],
        "paths": list(host.paths),
        "door": {"tcp": list(host.door_tcp), "verifier_uid": 0, "users": list(host.door_users)},
        "limits": {**host.limits.model_dump(), "checks": change_set.verify.limit_seconds},
        "settings": {},
        **({"parking": host.parking.model_dump()} if host.parking else {}),
        **({"hops": [hop.release for hop in host.hops]} if host.hops else {}),
        **({"databases": [one.model_dump() for one in host.databases]} if host.databases else {}),
    }

"""How a change set is told to a host: as variables to Ansible, as a manifest to the host program.

Decides nothing: all of it stands in the plan.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from orchestrator.plan.model import ChangeSet, HostChange

CHANGES = "/var/lib/wardship/changes"


def variables(
    change_set: ChangeSet, host: HostChange, *, depot: Path, host_program: Path
) -> dict[str, JsonValue]:
    """What the verbs of a change are told, beside the inventory (docs/roles.md)."""
    artifact = host.artifact
    return {
        "wardship_change_set": change_set.id,
        "wardship_change_dir": f"{CHANGES}/{change_set.id}",
        "wardship_from_release": host.from_release,
        "wardship_to_release": host.to_release,
        "wardship_host_program_path": str(host_program),
        "wardship_artifact": {
            "path": str(depot / artifact.file),
            "file": artifact.file,
            "sha256": artifact.sha256,
            "size": artifact.size,
        },
    }


def manifest(change_set: ChangeSet, host: HostChange) -> dict[str, Any]:
    """What a host must know of its part in a change set (docs/host-program.md)."""
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
        "door": {"tcp": list(host.door_tcp), "verifier_uid": 0},
        "limits": {**host.limits.model_dump(), "checks": change_set.verify.limit_seconds},
        "settings": {},
    }

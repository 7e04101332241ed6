"""What a change puts on a host's disks, and whether there is room for it. Pure.

Decides what is known to be needed. Refuses to guess what an archive unpacks to: that is measured
where the depot is, or told as not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import Role, StateVolume
from orchestrator.plan.model import Refusal, Room
from orchestrator.survey.model import HostSurvey

#: Where the host program keeps what it knows, and the artifact is brought.
STATE = "/var/lib/wardship"
#: The host program's ballast and what evidence it keeps at most, in bytes (orchestrator/host).
KEPT = (16 + 32) << 20
_MIB = 1 << 20


def rooms(
    role: Role,
    volumes: Sequence[StateVolume],
    artifact: Artifact,
    found: HostSurvey,
    *,
    unpacked: int | None,
) -> tuple[Room, ...]:
    """What is needed at each place. ``unpacked``: bytes of the new release; None if not known."""
    free = {each.path: each.free for each in found.space}
    reserve = role.min_free_mib * _MIB
    on = {each.name: each.free for each in found.volumes}
    return (
        Room(
            what="new release",
            path=role.root,
            needed=None if unpacked is None else unpacked + reserve,
            free=free.get(role.root),
        ),
        Room(
            what="artifact, saved configuration, evidence",
            path=STATE,
            needed=artifact.size + KEPT,
            free=free.get(STATE),
        ),
        *(
            Room(what=f"snapshot of {each.name}", path=each.path, needed=reserve,
                 free=on.get(each.name))
            for each in volumes
        ),
    )  # fmt: skip


def shortages(facility: str, host: str, needed: Sequence[Room]) -> Iterator[Refusal]:
    """A refusal for each place outside the volumes with too little; volumes have their own gate."""
    for room in needed:
        if room.is_short and not room.what.startswith("snapshot"):
            yield Refusal(
                facility=facility,
                host=host,
                gate="free-space",
                because=f"{room.path} has {mib(room.free)} free, {room.what} takes"
                f" {mib(room.needed)}",
                hint=f"free space there, then: wardship survey {facility}",
            )


def mib(size: int | None) -> str:
    """Bytes as a person reads them."""
    if size is None:
        return "not known"
    return f"{size / 2**30:.1f} GiB" if size >= 10 << 30 else f"{-(-size // _MIB)} MiB"

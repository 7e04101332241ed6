"""What a change puts on a host's disks, and whether there is room for it. Pure.

Decides what is known to be needed. Refuses to guess what an archive unpacks to: that is measured
where the depot is, or told as not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.fleet.model import Limits, Role, Snapshot, StateVolume, copies
from orchestrator.plan.model import Refusal, Room
from orchestrator.survey.model import HostSurvey, VolumeSurvey

#: Where the host program keeps what it knows, and the artifact is brought.
STATE = "/var/lib/wardship"
#: The host program's ballast and what evidence it keeps at most, in bytes (orchestrator/host).
KEPT = (16 + 32) << 20
#: What a line of a listing takes, in bytes.
LISTED = 200
#: Bytes a second of a copy on the slowest disk that is allowed for: read, written, read again.
SLOWEST = 10 << 20
#: A database is copied, and then read twice, as text: how many times its size that counts as.
READ_AS_TEXT = 4
#: Objects of an archive a second that the slowest disk gives a second name, or looks for.
SLOWEST_HELD = 1000
#: The longest that a phase may last, in seconds (orchestrator/host/manifest.py).
LONGEST = 86400
_MIB = 1 << 20


def rooms(
    role: Role,
    volumes: Sequence[StateVolume],
    brought: int,
    found: HostSurvey,
    *,
    snapshot: Snapshot,
    unpacked: int | None,
) -> tuple[Room, ...]:
    """What is needed at each place, in bytes.

    ``brought``: the artifacts'; ``unpacked``: of the releases in them, None if not known.
    """
    free = {each.path: each.free for each in found.space}
    reserve = role.min_free_mib * _MIB
    on = {each.name: each for each in found.volumes}
    indexes = [each for each in volumes if each.kind == "index"]
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
            needed=_added(brought + KEPT, _listings(snapshot, volumes, found)),
            free=free.get(STATE),
        ),
        *(
            Room(
                what=f"{'copy' if copies(snapshot) else 'snapshot'} of {each.name}",
                path=each.path,
                needed=_added(reserve, _needed(snapshot, on.get(each.name))),
                free=on[each.name].free if each.name in on else None,
            )
            for each in indexes
        ),
        *(
            Room(
                what=f"copy of database {each.database}",
                path=each.directory,
                needed=each.size + reserve,
                free=each.free,
            )
            for each in found.databases
        ),
    )


def bytes_of_copy(found: VolumeSurvey) -> int | None:
    """What a copy of a volume takes: nothing where blocks are shared; None: nobody measured."""
    if found.shares_blocks is None:
        return None
    return 0 if found.shares_blocks else found.used


def to_copy(snapshot: Snapshot, volumes: Sequence[StateVolume], found: HostSurvey) -> int | None:
    """Bytes that are copied while the clinic is out; None where that is not known."""
    if not copies(snapshot):
        return 0
    names = {each.name for each in volumes if each.kind == "index"}
    sizes = [bytes_of_copy(each) for each in found.volumes if each.name in names]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(names) else None


def to_hold(volumes: Sequence[StateVolume], found: HostSurvey) -> int:
    """Objects that are held while the clinic is out, as far as the file systems count them."""
    names = {each.name for each in volumes if each.kind == "archive"}
    return sum(each.entries or 0 for each in found.volumes if each.name in names)


def limits_for(limits: Limits, *, copied: int, held: int, giving: int = 0, hops: int = 0) -> Limits:
    """The limits of a change that copies so many bytes and holds so many objects.

    In whole minutes more: a copy is put back by rename, an archive's objects are looked for.
    ``giving``: seconds for what was parked, before the door opens. ``hops``: releases on the way,
    each of which is applied and stopped again.
    """
    if hops:
        whole = limits.apply + hops * (limits.apply + limits.quiesce)
        limits = limits.model_copy(update={"apply": min(whole, LONGEST)})
    if giving:
        limits = limits.model_copy(update={"open": limits.open + giving})
    copies, holds = _minutes(copied // SLOWEST), _minutes(held // SLOWEST_HELD)
    if not copies + holds:
        return limits
    longer = {
        "snapshot": min(limits.snapshot + copies + holds, LONGEST),
        "restore": min(limits.restore + holds, LONGEST),
    }
    return limits.model_copy(update=longer)


def _minutes(seconds: int) -> int:
    """Seconds, in whole minutes upwards."""
    return -(-seconds // 60) * 60


def _needed(snapshot: Snapshot, found: VolumeSurvey | None) -> int | None:
    if not copies(snapshot):
        return 0
    return bytes_of_copy(found) if found else None


def _listings(snapshot: Snapshot, volumes: Sequence[StateVolume], found: HostSurvey) -> int | None:
    """What the listings take: of every archive, and beside every copy."""
    on = {each.name: each.entries for each in found.volumes}
    listed = [each.name for each in volumes if each.kind == "archive" or copies(snapshot)]
    total = 0
    for name in listed:
        entries = on.get(name)
        if entries is None:
            return None
        total += entries * LISTED
    return total


def _added(one: int, other: int | None) -> int | None:
    return None if other is None else one + other


def shortages(facility: str, host: str, needed: Sequence[Room]) -> Iterator[Refusal]:
    """A refusal for each place outside the volumes with too little; volumes have their own gate."""
    for room in needed:
        if room.is_short and not room.what.startswith(("snapshot", "copy")):
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

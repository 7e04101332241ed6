"""After a change: ``hands`` when its checks failed, ``clear`` by a person, ``cleanup`` at last."""

from __future__ import annotations

from typing import Any, Dict

from . import anchor, ballast, databases, door, epoch, hold, member, parking, records, returned
from .change import facts, load
from .host import Host
from .locks import locked
from .opening import finish, let_out
from .outcome import RefusedError
from .phases import RUNNING, needs
from .volumes import forget
from .work import Work


def hands(host: Host, identifier: str, *, at: int, because: str) -> Dict[str, Any]:
    """What was put back did not pass its checks: this host does not open it, also not at a boot.

    Raises:
        RefusedError: it has opened it already, by itself.
    """
    with locked(host.system, host.layout.mutate_lock), epoch.admitted(host, at):
        change = load(host, identifier)
        known = facts(change)
        if needs(known) == "nothing" or known.state("open") == RUNNING:
            raise RefusedError("order", f"{identifier}: this host has opened by itself")
        record = {"because": because, "at": host.stamp()}
        records.write(host.disk, change.paths.hands, record)
    return {"hands": identifier}


def clear(host: Host, identifier: str, *, at: int, reason: str) -> Dict[str, Any]:
    """A person took over a change, and the controller saw it well: hold and door go.

    What is over already stays as it is.

    Raises:
        FailedError: a database cannot be opened to whom it was open before; nothing was cleared.
    """
    with locked(host.system, host.layout.mutate_lock), epoch.admitted(host, at):
        change = load(host, identifier)
        known = facts(change)
        if known.finished != "cleared" and needs(known) == "nothing":
            return {"cleared": identifier, "because": "nothing was left to do"}
        work = Work(change, "clear")
        host.disk.make_dir(change.paths.phases)
        for place in work.databases:
            databases.open_up(place)
        hold.release(host, change.manifest.services)
        let_out(work)
        door.open_up(host)
        parking.deliver(change)
        hold.forbid_start(host)
        ballast.give(host)
        if known.finished != "cleared":
            finish(work, "cleared", because=reason)
    return {"cleared": identifier, "because": reason}


def cleanup(host: Host, identifier: str, *, at: int) -> Dict[str, Any]:
    """Remove what only a restore of this change would need; its records stay.

    Raises:
        RefusedError: the change is not over.
    """
    with locked(host.system, host.layout.mutate_lock), epoch.admitted(host, at):
        change = load(host, identifier)
        known = facts(change)
        if needs(known) != "nothing":
            raise RefusedError("order", f"{identifier} is not over, it needs {needs(known)}")
        if member.awaits(change) or anchor.is_awaited(change):
            raise RefusedError("order", "another host of this set has not ended as it did")
        if parking.turned(change) is not None and (left := parking.told(change)["waiting"]):
            raise RefusedError("order", f"{left} parked items are not given to the product yet")
        work = Work(change, "cleanup")
        if not known.cleaned:
            returned.prove_what_came_later(work)
            records.write(host.disk, change.paths.cleaned, {"at": host.stamp()})
        paths = change.paths
        for place in work.places:
            forget(place, work.snapshots, host.disk)
        for kept in (
            paths.saved,
            paths.saved_aside,
            paths.listings,
            paths.evidence,
            paths.scripts,
            paths.files,
            paths.hops,
        ):
            host.disk.remove_tree(kept)
        kept_parked = returned.clean(work)
        # Last: a cluster that does not answer keeps nothing else, which may name patients.
        for database in work.databases:
            databases.forget(database)
        host.disk.remove_tree(paths.databases)
    return {"cleaned": identifier, "kept": kept_parked}

"""quiesce: the door shut, the autostart held, the services stopped and proved stopped."""

from __future__ import annotations

import json
from typing import List

from . import ballast, databases, door, hold, parking, saved, services, volumes
from .change import Change, everything
from .outcome import FailedError
from .system import System
from .work import Work, missing_scripts, steps

#: The facility's own hold on its host.
HOLD = "/etc/wardship/hold"


def problems(change: Change) -> List[str]:
    """What would make the change fail later and can be known before the clinic feels anything."""
    manifest, system = change.manifest, change.host.system
    work = Work(change, "quiesce")
    found = missing_scripts(change) + _held_by_the_facility(system)
    found += [
        f"{each.staged} of {step.release} is not staged"
        for step in steps(change)
        for each in manifest.install
        if not (step.directory / each.staged).exists()
    ]
    if manifest.switch_root is not None:
        releases = system.at(manifest.switch_root)
        found += [
            f"release {name} is not in {manifest.switch_root}"
            for name in (manifest.from_release, *manifest.hops, manifest.to_release)
            if not (releases / name).is_dir()
        ]
    found += services.unknown(system, manifest.services)
    found += saved.problems(system, manifest.paths)
    if system.free(change.host.layout.state) < 4 * ballast.SIZE:
        found.append(f"{change.host.layout.state} has too little room for records and evidence")
    found += parking.problems(
        change, [one for one in everything(change.host) if one.id != change.id]
    )
    of_databases, copies = databases.problems(work.databases)
    found += of_databases
    return found + volumes.problems(work.places, work.snapshots, system, beside=copies)


def _held_by_the_facility(system: System) -> List[str]:
    """The facility may hold its own host until the last moment: a file, its reason in it."""
    try:
        text = system.at(HOLD).read_text(errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        return [
            f"{HOLD} cannot be read ({error.strerror}): whether the facility holds is not known"
        ]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [f"the facility holds this host ({HOLD}): {(lines or ['no reason given'])[0][:200]}"]


def run(work: Work) -> None:
    manifest = work.manifest
    ballast.keep(work.host)
    hold.forbid_start(work.host)
    hold.hold(work.host, manifest.services)
    work.note("autostart held")
    turned = parking.turned(work.change)
    guests = door.shut(work.host, manifest, turned)
    work.note(f"door shut: {', '.join(map(str, manifest.ports))}{guests}")
    for place in work.databases:
        databases.close(place)
    census = work.change.paths.census_before
    work.must("stop", manifest.from_release, WARDSHIP_CENSUS=str(census))
    prove_stopped(work)
    _prove_census(work)


def prove_stopped(work: Work) -> None:
    """Every service at rest, no process with a file of a volume, nobody in a database.

    Raises:
        FailedError: with all that is not so.
    """
    still = services.active(work.system, work.manifest.services)
    still += services.holders(work.system, [v.path for v in work.manifest.volumes])
    still += databases.connected(work.databases)
    if still:
        raise FailedError(f"not proved stopped: {'; '.join(still[:5])}")
    work.note("proved stopped")


def _prove_census(work: Work) -> None:
    try:
        json.loads(work.change.paths.census_before.read_text())
    except (OSError, ValueError) as error:
        raise FailedError(f"script stop left no census: {error}") from None

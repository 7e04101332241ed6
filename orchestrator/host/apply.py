"""apply: the staged files, the switch, the migration and the start, for each release on the way."""

from __future__ import annotations

import json
from typing import Optional

from . import ask, census, databases, door, hold, parking, quiesce, volumes
from .install import install
from .outcome import FailedError
from .work import Step, Work, current_release, steps


def run(work: Work) -> None:
    door.shut(work.host, work.manifest, parking.turned(work.change))
    volumes.require_archives(work.places)
    *hops, last = steps(work.change)
    for hop in hops:
        pass_through(work, hop, seconds=work.manifest.limits["apply"] / (len(hops) + 1))
    take(work, last)
    work.settle()


def pass_through(work: Work, hop: Step, *, seconds: float) -> None:
    """Bring the product to a release that it does not stay with. ``seconds``: for each script.

    Raises:
        FailedError: with the release that was on the way.
    """
    try:
        take(work, hop, seconds=seconds)
        leave(work, hop, seconds=seconds)
    except FailedError as error:
        raise FailedError(f"on the way, at {hop.release}: {error.because}") from error
    except OSError as error:
        because = f"{error.strerror}: {error.filename or 'no file'}"
        raise FailedError(f"on the way, at {hop.release}: {because}") from error


def take(work: Work, step: Step, *, seconds: "Optional[float]" = None) -> None:
    """Bring the product to a release, and start it behind the shut door."""
    manifest = work.manifest
    for each in manifest.install:
        install(step.directory / each.staged, work.system.at(each.target), work.disk)
        work.note(f"installed {each.target}")
    if manifest.switch_root is not None:
        switch(work, manifest.switch_root, step.release)
    hold.reload(work.host)
    for place in work.databases:
        databases.open_up(place)
    work.must("migrate", step.release, seconds=seconds, step=step)
    hold.hold(work.host, manifest.services)  # the release may have brought units of its own
    hold.allow_start(work.host)
    work.must("start", step.release, seconds=seconds, step=step)


def leave(work: Work, hop: Step, *, seconds: float) -> None:
    """Prove that nothing is lost so far, and stop what was only passed through.

    Raises:
        FailedError: something of the census is not there any more, or it does not stop.
    """
    before = census.named(json.loads(work.change.paths.census_before.read_text()))
    gone = before - census.named(ask.census(work.host, work.change.id))
    if gone:
        raise FailedError(f"{len(gone)} of what was counted before is gone, as {min(gone)}")
    work.note(f"{hop.release} runs and has all {len(before)} that were counted")
    hold.forbid_start(work.host)
    for place in work.databases:
        databases.close(place)
    work.must("stop", hop.release, seconds=seconds, step=hop)
    for place in work.databases:  # who came while the hop ran is no reason to go back
        for client in place.end(place.live):
            work.note(f"ended in {place}: {client}")
    quiesce.prove_stopped(work)


def switch(work: Work, root: str, release: str) -> None:
    """Let ``current`` name a release, in one step."""
    releases = work.system.at(root)
    if not (releases / release).is_dir():
        raise FailedError(f"release {release} is not in {root}")
    work.disk.link(release, releases / "current")
    if current_release(work.change) != release:
        raise FailedError(f"{root}/current does not name {release}")
    work.note(f"current is {release}")

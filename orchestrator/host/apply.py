"""apply: the staged files, the switch, the migration and the start of the new release."""

from __future__ import annotations

from . import databases, door, hold, parking, volumes
from .install import install
from .outcome import FailedError
from .work import Work, current_release


def run(work: Work) -> None:
    manifest = work.manifest
    door.shut(work.host, manifest, parking.turned(work.change))
    volumes.require_archives(work.places)
    for each in manifest.install:
        staged = work.change.paths.directory / each.staged
        install(staged, work.system.at(each.target), work.disk)
        work.note(f"installed {each.target}")
    if manifest.switch_root is not None:
        switch(work, manifest.switch_root)
    hold.reload(work.host)
    for place in work.databases:
        databases.open_up(place)
    work.must("migrate", manifest.to_release)
    hold.hold(work.host, manifest.services)  # the release may have brought units of its own
    hold.allow_start(work.host)
    work.must("start", manifest.to_release)
    work.settle()


def switch(work: Work, root: str) -> None:
    """Let ``current`` name the new release, in one step."""
    releases, release = work.system.at(root), work.manifest.to_release
    if not (releases / release).is_dir():
        raise FailedError(f"release {release} is not in {root}")
    work.disk.link(release, releases / "current")
    if current_release(work.change) != release:
        raise FailedError(f"{root}/current does not name {release}")
    work.note(f"current is {release}")

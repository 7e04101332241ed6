"""A phase at work: the change, the log, and the scripts that the product's role rendered."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional

from .change import Change, look
from .databases import DatabasePlace
from .host import Host
from .outcome import FailedError
from .phases import ABSENT
from .place import Place
from .settle import settle
from .system import Ran
from .volumes import PROVIDERS

#: What each step runs, and what the change as a whole needs besides.
STEP = ("stop", "migrate", "start")
REQUIRED = (*STEP, "census", "forget")


@dataclass(frozen=True)
class Step:
    """From one release to the next. ``directory``: where its scripts and files are staged."""

    before: str
    release: str
    directory: Path


class Work:
    """One run of one phase. What it notes goes to the phase's log, never a setting's value."""

    def __init__(self, change: Change, phase: str) -> None:
        self.change = change
        self.phase = phase
        self.host: Host = change.host
        self.system = change.host.system
        self.disk = change.host.disk
        self.manifest = change.manifest
        self.snapshots = PROVIDERS[change.manifest.provider](change.host.system)
        self.places = [Place(self.system, change.id, volume) for volume in change.manifest.volumes]
        self.databases = database_places(change)

    def note(self, text: str) -> None:
        # A file's name may be no UTF-8; a line that is only told must not stop a restore.
        path = self.change.paths.log(self.phase)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"{self.host.stamp()} {text}\n")

    def script(
        self,
        name: str,
        release: str,
        *,
        seconds: "Optional[float]" = None,
        step: "Optional[Step]" = None,
        **extra: str,
    ) -> Ran:
        """Run a script of the role; its standard error follows its output into the log.

        ``seconds``: how long at most; without it the unit's maximum run time is the bound.
        ``step``: whose script; without it, that of the change as a whole.
        """
        self.note(f"script {name} for {release}")
        log = self.change.paths.log(self.phase)
        env = {**environment(self.change, self.phase, release), **extra}
        path = str(self.change.paths.scripts / name)
        if step is not None:
            path = str(step.directory / "scripts" / name)
            env.update(WARDSHIP_FROM=step.before, WARDSHIP_TO=step.release)
        ran = self.system.run([path], env=env, timeout=seconds, log=log)
        for line in ran.err.splitlines():
            self.note(f"{name}: {line}")
        return ran

    def must(
        self,
        name: str,
        release: str,
        *,
        seconds: "Optional[float]" = None,
        step: "Optional[Step]" = None,
        **extra: str,
    ) -> None:
        """Run a script that has to succeed, as ``script`` does.

        Raises:
            FailedError: with its last words.
        """
        ran = self.script(name, release, seconds=seconds, step=step, **extra)
        if ran.code != 0:
            raise FailedError(f"script {name} for {release} failed: {ran.reason}")

    def settle(self) -> None:
        """What the scripts wrote is on its disk: only then has the phase succeeded."""
        paths = [self.system.at(path) for path in self.manifest.paths]
        settle(self.system, [*paths, *(place.live for place in self.places)])

    def has(self, name: str) -> bool:
        return (self.change.paths.scripts / name).is_file()


def environment(change: Change, phase: str, release: str) -> Dict[str, str]:
    """What a script is told."""
    manifest = change.manifest
    words = {
        "WARDSHIP_CHANGE": change.id,
        "WARDSHIP_DIR": str(change.paths.directory),
        "WARDSHIP_PHASE": phase,
        "WARDSHIP_PRODUCT": manifest.product,
        "WARDSHIP_RELEASE": release,
        "WARDSHIP_FROM": manifest.from_release,
        "WARDSHIP_TO": manifest.to_release,
    }
    for volume in manifest.volumes:
        place = Place(change.host.system, change.id, volume)
        name = volume.name.upper()
        words[f"WARDSHIP_VOLUME_{name}"] = str(place.live)
        if place.frozen.exists():
            words[f"WARDSHIP_SNAPSHOT_{name}"] = str(place.frozen)
        if place.listing.exists():
            words[f"WARDSHIP_LISTING_{name}"] = str(place.listing)
        if place.failed.exists():
            words[f"WARDSHIP_FAILED_{name}"] = str(place.failed)
    for database in database_places(change):
        name = database.name.upper()
        words[f"WARDSHIP_DATABASE_{name}"] = database.live
        if failed := database.noted().get("failed"):
            words[f"WARDSHIP_FAILED_{name}"] = f"database {failed}"
    return words


def database_places(change: Change) -> List[DatabasePlace]:
    """The databases of a change that are captured in their cluster."""
    system, paths = change.host.system, change.paths
    return [DatabasePlace(system, paths, change.id, each) for each in change.manifest.databases]


def steps(change: Change) -> List[Step]:
    """The way to the new release: each hop, and the release itself last."""
    manifest, directory = change.manifest, change.paths.directory
    found, before = [], manifest.from_release
    for number, release in enumerate(manifest.hops, 1):
        found.append(Step(before, release, change.paths.hops / str(number)))
        before = release
    return [*found, Step(before, manifest.to_release, directory)]


def missing_scripts(change: Change) -> List[str]:
    """What is wrong with the scripts, before anything begins."""
    return [
        f"script {name} of {step.release} is missing"
        for step in steps(change)
        for name in (REQUIRED if step.directory == change.paths.directory else STEP)
        if not os.access(step.directory / "scripts" / name, os.X_OK)
    ]


def was_touched(work: Work) -> bool:
    """Did quiesce begin here? If not, the product was left alone and runs."""
    return look(work.change, "quiesce")[0] != ABSENT


def current_release(change: Change) -> Optional[str]:
    """The release that ``current`` names, None when it is none of the change's."""
    manifest = change.manifest
    if manifest.switch_root is None:
        return None
    link = change.host.system.at(manifest.switch_root) / "current"
    name = link.readlink().name if link.is_symlink() else ""
    known = (manifest.from_release, *manifest.hops, manifest.to_release)
    return name if name in known else None

"""The depot: whether an artifact is there with the catalog's size and SHA-256."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from orchestrator.fleet.catalog import Artifact
from orchestrator.fleet.model import Fleet
from orchestrator.fleet.route import route
from orchestrator.plan.gates import ArtifactState
from orchestrator.survey.model import FacilitySurvey

_CHUNK = 1 << 20


def look(path: Path, artifact: Artifact) -> ArtifactState:
    """What is under this path. A file that cannot be read is *unknown*."""
    try:
        if not path.is_file():
            return "missing"
        if path.stat().st_size != artifact.size:
            return "differs"
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return "unknown"
    return "good" if digest.hexdigest() == artifact.sha256 else "differs"


def ordered_artifacts(fleet: Fleet, surveys: Mapping[str, FacilitySurvey]) -> Iterable[Artifact]:
    """The artifacts of the releases that the mandate orders, and of those on the way, each once."""
    releases = {(order.product, order.release) for order in fleet.mandate.orders}
    ways = {
        (found.product, found.release, release)
        for survey in surveys.values()
        for found in survey.hosts
        if (release := fleet.mandate.release_for(survey.facility, found.product))
    }
    for product, here, to in ways:
        way = route(fleet.catalog.products[product], here, to) or ()
        releases |= {(product, release) for release in way}
    for product, release in sorted(releases):
        yield fleet.catalog.products[product].releases[release].artifact


def look_at_ordered(
    fleet: Fleet,
    surveys: Mapping[str, FacilitySurvey],
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, ArtifactState]:
    """What was found of everything that is ordered or on the way, by file name."""
    found: dict[str, ArtifactState] = {}
    for artifact in ordered_artifacts(fleet, surveys):
        say(f"depot: {artifact.file}")
        found[artifact.file] = look(fleet.artifact(artifact), artifact)
    return found


def unpacked_sizes(fleet: Fleet, surveys: Mapping[str, FacilitySurvey]) -> dict[str, int]:
    """Bytes that each of them unpacks to, by file name; what is no archive is left out."""
    sizes: dict[str, int] = {}
    for artifact in ordered_artifacts(fleet, surveys):
        with (
            suppress(OSError, tarfile.TarError, EOFError, zlib.error),
            tarfile.open(fleet.artifact(artifact)) as archive,
        ):
            sizes[artifact.file] = sum(member.size for member in archive)
    return sizes

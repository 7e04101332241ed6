"""The three Orthanc releases that the lab's hospitals run and are mandated to run.

Built from Debian's own packages, kept in the cache under the hash of the recipe, and checked by the
recorded hash whenever used: a damaged entry is built again. A second use needs no network.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from orchestrator.errors import LabError
from orchestrator.lab import bundle, debian
from orchestrator.lab.kept import digest, keep, locked

PRODUCT = "orthanc"
#: Raised when the way a bundle is assembled changes, so that bundles from before are not used.
_RECIPE = 1
_PACKAGES = ("orthanc", "orthanc-postgresql", "orthanc-dicomweb")

Say = Callable[[str], None]


class Recipe(BaseModel):
    """An upstream release and the Debian suites that may have it, the first that does is taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: str
    suites: tuple[str, ...]

    @property
    def key(self) -> str:
        """What the cache knows the bundle by."""
        made_from = [_RECIPE, self.model_dump(mode="json"), _PACKAGES, bundle.WRAPPER]
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]


RECIPES = {
    recipe.version: recipe
    for recipe in (
        Recipe(version="1.10.1", suites=("bookworm",)),
        Recipe(version="1.12.7", suites=("trixie",)),
        Recipe(version="1.13.0", suites=("forky", "sid")),
    )
}
VERSIONS = tuple(RECIPES)


class Bundle(BaseModel):
    """A release as a file. ``size`` in bytes; ``packages`` are ``name=version``, one a package."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    version: str
    path: Path
    sha256: str
    size: int
    packages: tuple[str, ...]


def bundles(*, cache: Path, say: Say, versions: tuple[str, ...] = VERSIONS) -> dict[str, Bundle]:
    """Every release by its version; see ``build``."""
    return {version: build(version, cache=cache, say=say) for version in versions}


def build(version: str, *, cache: Path, say: Say) -> Bundle:
    """One release's bundle, from the cache or made now. Safe beside another builder.

    Raises:
        LabError: Debian no longer has this version, or it could not be fetched or assembled.
    """
    recipe = RECIPES.get(version)
    if recipe is None:
        raise LabError(
            f"there is no recipe for {PRODUCT} {version}", hint=f"one of {', '.join(VERSIONS)}"
        )

    def make(into: Path) -> None:
        say(f"{PRODUCT} {version}: building from Debian's packages")
        _make(recipe, cache=cache, into=into)

    entry = keep(cache / "bundles" / f"{PRODUCT}-{version}-{recipe.key}", make)
    archive = entry / f"{PRODUCT}-{version}.tar.gz"
    packages = (entry / "packages.txt").read_text().split()
    return Bundle(
        version=version,
        path=archive,
        sha256=digest(archive),
        size=archive.stat().st_size,
        packages=tuple(packages),
    )


def _make(recipe: Recipe, *, cache: Path, into: Path) -> None:
    suite = _suite_that_has(recipe, cache / "apt")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".release-") as name:
        scratch = Path(name)
        with locked(suite.root / "lock"):
            packages = suite.download(_PACKAGES)
            debian.unpack(packages.values(), scratch / "tree")
        release = scratch / "release"
        bundle.assemble(scratch / "tree", release, packages=packages)
        bundle.pack(release, into / f"{PRODUCT}-{recipe.version}.tar.gz")
    (into / "packages.txt").write_text("".join(f"{name}\n" for name in packages))


def _suite_that_has(recipe: Recipe, apt: Path) -> debian.Suite:
    """The first suite whose package is of the wanted upstream version."""
    seen = []
    for name in recipe.suites:
        suite = debian.open_suite(name, apt)
        has = suite.candidates([PRODUCT]).get(PRODUCT, "none")
        if upstream(has) == recipe.version:
            return suite
        seen.append(f"{name} has {has}")
    raise LabError(
        f"Debian has no {PRODUCT} {recipe.version} any more: {', '.join(seen)}",
        hint="name a mirror of that time (snapshot.debian.org) in /etc/apt/sources.list, "
        "or copy the cache of a machine that has built it",
    )


def upstream(version: str) -> str:
    """The upstream part of a Debian version, without the mark of a repackaged source."""
    return version.rpartition(":")[2].rpartition("-")[0].partition("+")[0]

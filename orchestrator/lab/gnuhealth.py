"""The GNU Health releases that the lab's hospitals run and are mandated to run.

Made by the role's own ``releases/build.py`` from hashed locks, kept in the cache under the hash of
both, and checked by the recorded hash whenever used. A second use needs no network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from orchestrator import resources
from orchestrator.errors import LabError
from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.kept import digest, keep
from orchestrator.lab.run import attempt
from orchestrator.lab.tools import ensure

PRODUCT = "gnuhealth"
#: From which release to which; the last two differ in code only.
VERSIONS = ("4.4.1", "5.0.0", "5.0.6")
#: What building needs: one package has to be compiled.
_NEEDED = {
    "/usr/bin/python3.11": "python3",
    "/usr/include/python3.11/Python.h": "python3-dev",
    "/usr/lib/python3/dist-packages/pip/__init__.py": "python3-pip",
    "/usr/bin/gcc": "gcc",
    "/usr/bin/pg_config": "libpq-dev",
}

Say = Callable[[str], None]


def bundles(*, cache: Path, say: Say, versions: tuple[str, ...] = VERSIONS) -> dict[str, Bundle]:
    """Every release by its version; see ``build``."""
    return {version: build(version, cache=cache, say=say) for version in versions}


def key(version: str) -> str:
    """What the cache knows the bundle by: its packages, and how they are laid."""
    made_from = _lock(version).read_bytes() + _builder().read_bytes()
    return hashlib.sha256(made_from).hexdigest()[:16]


def build(version: str, *, cache: Path, say: Say) -> Bundle:
    """One release's artifact, from the cache or made now. Safe beside another builder.

    Raises:
        LabError: its packages cannot be had, or do not match their hashes.
    """

    def make(into: Path) -> None:
        missing = {path: package for path, package in _NEEDED.items() if not Path(path).exists()}
        ensure(missing, say)
        say(f"{PRODUCT} {version}: building from its locked packages (one minute)")
        done = attempt(["/usr/bin/python3.11", str(_builder()), version, "--out", str(into)])
        if not done.is_ok:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise LabError(
                f"{PRODUCT} {version} cannot be built: {' '.join(last)}",
                hint="or copy the cache of a machine that has built it",
            )

    entry = keep(cache / "bundles" / f"{PRODUCT}-{version}-{key(version)}", make)
    archive = entry / f"{PRODUCT}-{version}.tar.gz"
    size = archive.stat().st_size
    packages = tuple(
        line.split()[0] for line in _lock(version).read_text().splitlines() if "==" in line
    )
    return Bundle(
        version=version, path=archive, sha256=digest(archive), size=size, packages=packages
    )


def _releases() -> Path:
    return resources.roles() / PRODUCT / "releases"


def _lock(version: str) -> Path:
    return _releases() / f"{PRODUCT}-{version}.lock"


def _builder() -> Path:
    return _releases() / "build.py"

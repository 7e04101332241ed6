"""The catalogue of checks: what each protects, in plain words, and when it is expected.

Decides which results a run must give. A check is a function ``test_<id>`` (underscores for
hyphens) in ``checks/`` or in a product role's own directory; it runs in the order of this
catalogue, a role's own after the rest. Refuses a suite that does not exist, and a role's check that
takes a name of ours.

What compares has something to compare with at every moment: at the baseline the index is compared
with the files on disk and the product's answers with the index; later everything is compared with
the census that quiesce took, and with the baseline. Only ``archive-files`` waits for a snapshot.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from orchestrator.errors import FleetError
from orchestrator.fleet.model import TLS_SUITE, Model
from orchestrator.verify.model import Moment

ALWAYS: tuple[Moment, ...] = get_args(Moment)
AFTERWARDS: tuple[Moment, ...] = ("applied", "restored")


class CheckSpec(Model):
    """One check. ``limit``: seconds after which it counts as unanswered.

    ``integrity``: whether what it finds after a restore keeps the door shut. A clinic is not kept
    out because its old release is slow today.
    """

    id: str
    suite: str
    protects: str
    at: tuple[Moment, ...] = ALWAYS
    limit: float = 60.0
    integrity: bool = True


CATALOGUE: tuple[CheckSpec, ...] = (
    CheckSpec(
        id="release-runs",
        suite="service",
        protects="The release that was ordered is the one that is switched on.",
    ),
    CheckSpec(
        id="ports-listening",
        suite="service",
        protects="Modalities and workstations find the product where they always did.",
    ),
    CheckSpec(
        id="disk-free",
        suite="service",
        protects="There is room for the images of the coming hours.",
        integrity=False,
    ),
    CheckSpec(
        id="tls-certificate",
        suite=TLS_SUITE,
        protects="Modalities that ask for the archive's certificate go on sending to it.",
        integrity=False,
    ),
    CheckSpec(
        id="tls-only",
        suite=TLS_SUITE,
        protects="No image and no name of a patient travels readable by others.",
        integrity=False,
    ),
    CheckSpec(
        id="tls-version",
        suite=TLS_SUITE,
        protects="Nobody between can talk two systems down to a broken encryption.",
        integrity=False,
    ),
    CheckSpec(
        id="dicom-echo",
        suite="dicom",
        protects="Modalities reach the archive under the name that is set up in them.",
    ),
    CheckSpec(
        id="dicom-wrong-ae",
        suite="dicom",
        protects="Images meant for another system are refused, as they were before.",
    ),
    # Before all that counts: an archive that makes room for a new study shows what it removed.
    CheckSpec(
        id="dicom-round-trip",
        suite="dicom",
        protects="A new study can be stored, found and fetched back unchanged, in both ways.",
        limit=180.0,
    ),
    CheckSpec(
        id="census-index",
        suite="census",
        protects="Every study, series and image that the archive knew, it still knows.",
        limit=900.0,
    ),
    CheckSpec(
        id="census-product",
        suite="census",
        protects="Every study can be found by workstations, with all of its images.",
        limit=900.0,
    ),
    CheckSpec(
        id="archive-files",
        suite="census",
        protects="Every stored image file is there, whole and unchanged.",
        at=AFTERWARDS,
        limit=900.0,
    ),
    CheckSpec(
        id="archive-sample",
        suite="census",
        protects="Stored image files still hold what the archive once received.",
        limit=900.0,
    ),
    CheckSpec(
        id="records-kept",
        suite="records",
        protects="Every patient and order on record is still there, and says what it said.",
        limit=900.0,
    ),
    CheckSpec(
        id="retrieve-time",
        suite="retrieve",
        protects="Images open as fast as before.",
        integrity=False,
        limit=600.0,
    ),
    CheckSpec(
        id="retrieve-same",
        suite="retrieve",
        protects="An image that is opened is, bit by bit, the one that was opened before.",
        limit=600.0,
    ),
    CheckSpec(
        id="retrieve-names",
        suite="retrieve",
        protects="A patient is found under the name and the numbers that they had before.",
        limit=120.0,
    ),
    CheckSpec(
        id="dicomweb-qido",
        suite="dicomweb",
        protects="Web viewers find the same studies as workstations do.",
        limit=300.0,
    ),
    CheckSpec(
        id="dicomweb-wado",
        suite="dicomweb",
        protects="Web viewers get the same images as workstations do.",
        limit=300.0,
    ),
    CheckSpec(
        id="service-at-boot",
        suite="service",
        protects="After a power cut the product starts again by itself, as it did before.",
    ),
    # Last: it also sees that nothing stopped or started again while the others looked.
    CheckSpec(
        id="service-active",
        suite="service",
        protects="The product's services run, and run on without starting again and again.",
    ),
)
BY_ID = {spec.id: spec for spec in CATALOGUE}
SUITES = frozenset(spec.suite for spec in CATALOGUE)


def check_id(function: str) -> str:
    """``test_dicom_echo`` → ``dicom-echo``."""
    return function.removeprefix("test_").replace("_", "-")


def expected_checks(
    suites: Sequence[str], moment: Moment, *, role_checks: Path | None = None
) -> tuple[str, ...]:
    """The ids that a run must give a result for, the role's own last.

    Raises:
        FleetError: a suite that does not exist; a role's check with a name that is taken.
    """
    if unknown := sorted(set(suites) - SUITES):
        raise FleetError(
            f"no such suite of checks: {', '.join(unknown)}",
            hint=f"there are {', '.join(sorted(SUITES))}",
        )
    ours = tuple(s.id for s in CATALOGUE if s.suite in suites and moment in s.at)
    own = role_check_ids(role_checks) if role_checks is not None else ()
    if taken := sorted({name for name in own if name in BY_ID or own.count(name) > 1}):
        raise FleetError(
            f"{role_checks}: these names of checks are taken: {', '.join(taken)}",
            hint="give each check of the role a name of its own",
        )
    return ours + own


def role_check_ids(directory: Path) -> tuple[str, ...]:
    """The checks that a role's directory declares, read without running it.

    Raises:
        FleetError: the directory holds none, or cannot be read.
    """
    try:
        sources = [(file, file.read_text("utf-8")) for file in sorted(directory.glob("test_*.py"))]
        trees = [ast.parse(text, filename=str(file)) for file, text in sources]
    except (OSError, SyntaxError, ValueError) as error:
        raise FleetError(f"{directory}: checks that cannot be read: {error}", hint="") from None
    found = tuple(
        check_id(node.name)
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
    if not found:
        raise FleetError(
            f"{directory} declares no check",
            hint="write test_*.py with functions named test_…, or remove the directory",
        )
    return found

"""Fill a hospital's archive in one go, and know exactly what is in it.

The objects go in as one zip over the archive's web service, which keeps every file as it is;
storing them one by one over DICOM would take a tenth of a second each.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pydicom
from pydantic import BaseModel, ConfigDict, TypeAdapter

from orchestrator.errors import LabError
from orchestrator.lab import studies
from orchestrator.lab.guest import Rest
from orchestrator.lab.kept import keep
from orchestrator.lab.loss import Stored, describe

#: Raised when the studies change, so that sets from before are not used.
_EDITION = 1
_ZIP, _LIST = "studies.zip", "manifest.json"


_Manifest = TypeAdapter(tuple[Stored, ...])


class Seed(BaseModel):
    """A synthetic archive as one zip file, and the list of its objects."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    zip: Path
    objects: tuple[Stored, ...]


def prepare(archive: studies.Archive, *, cache: Path) -> Seed:
    """The archive's objects, from the cache or generated now (about a second)."""
    key = f"{archive.site}-{archive.seed}-{archive.studies}-{_EDITION}-{pydicom.__version__}"
    entry = keep(cache / "studies" / key, lambda into: _write(archive, into))
    objects = _Manifest.validate_json((entry / _LIST).read_bytes())
    return Seed(zip=entry / _ZIP, objects=objects)


def seed(rest: Rest, wanted: Seed) -> tuple[Stored, ...]:
    """Put every object into the archive; what is in it already stays. The list of them all.

    Raises:
        LabError: the archive did not take every object.
    """
    answers: list[dict[str, Any]] = json.loads(rest.post("/instances", wanted.zip.read_bytes()))
    taken = sum(answer.get("Status") in ("Success", "AlreadyStored") for answer in answers)
    if taken != len(wanted.objects):
        raise LabError(
            f"the archive took {taken} of {len(wanted.objects)} objects",
            hint="look at the archive's log on the host",
        )
    return wanted.objects


def _write(archive: studies.Archive, into: Path) -> None:
    listed = []
    with zipfile.ZipFile(into / _ZIP, "w") as packed:
        for number, dataset in enumerate(studies.generate(archive), start=1):
            packed.writestr(zipfile.ZipInfo(f"{number:05d}.dcm"), studies.as_file(dataset))
            listed.append(describe(dataset))
    (into / _LIST).write_bytes(_Manifest.dump_json(tuple(listed), indent=1))

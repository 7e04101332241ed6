"""Whether an artifact in the depot is the catalog's."""

from __future__ import annotations

import hashlib
from pathlib import Path

from orchestrator.adapters.depot import look, look_at_ordered
from orchestrator.fleet.catalog import Artifact
from tests.builders import a_fleet

ARTIFACT = Artifact(file="x.tar.gz", sha256=hashlib.sha256(b"content").hexdigest(), size=7)


def test_an_artifact_is_good_only_with_its_size_and_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    assert look(path, ARTIFACT) == "missing"
    path.write_bytes(b"contenT")
    assert look(path, ARTIFACT) == "differs"
    path.write_bytes(b"content and more")
    assert look(path, ARTIFACT) == "differs"
    path.write_bytes(b"content")
    assert look(path, ARTIFACT) == "good"


def test_only_what_is_ordered_is_looked_at(tmp_path: Path) -> None:
    said: list[str] = []
    found = look_at_ordered(a_fleet(tmp_path), {}, said.append)
    assert found == {"orthanc-1.12.7.tar.gz": "good"}
    assert said == ["depot: orthanc-1.12.7.tar.gz"]

"""docs/tutorial.md, done as far as it goes without a hospital's host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import tutorial


def typed(text: str, directory: Path) -> str:
    """What a shell says to a block."""
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "WARDSHIP_FLEET": str(directory / "myfleet"),
    }
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=60, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_block_that_needs_no_host_does_what_the_page_says(tmp_path: Path) -> None:
    artifact = tmp_path / "orthanc-1.12.7.tar.gz"
    artifact.write_bytes(b"stands for a release")
    checks = []
    for language, mark, text in tutorial.blocks():
        if language == "yaml":
            assert (tmp_path / "myfleet" / mark).exists(), f"{mark} is not what init begins"
            (tmp_path / "myfleet" / mark).write_text(text)
        elif mark == tutorial.ANYWHERE:
            said = typed(text, tmp_path)
            checks += [said] if "fleet check" in text else []
            if "sha256sum" in text:
                sha256, size = said.split()[0], int(said.split()[-1])
                tutorial.write_artifact_into_catalog(tmp_path / "myfleet", sha256, size)
    assert len(checks) == 3
    assert all("myfleet: 1 facility, 1 host, no problem" in said for said in checks)
    assert "orthanc-1.12.7.tar.gz is not in depot" in checks[0]
    assert "orthanc-1.12.7.tar.gz" not in checks[2]

"""docs/tutorial.md, taken apart: what a reader types, and what a reader writes into files."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(\w+)\n# ([^\n]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ANYWHERE, HOST = "runs anywhere", "needs the host"


def blocks() -> list[tuple[str, str, str]]:
    """Each block's language, mark and text; the test fails if one has no mark that is known."""
    page = PAGE.read_text("utf-8")
    found = _BLOCK.findall(page)
    assert len(found) * 2 == len(re.findall("^```", page, re.MULTILINE))
    for language, mark, _ in found:
        if language == "console":
            assert mark in (ANYWHERE, HOST), mark
        else:
            assert (language, Path(mark).suffix) == ("yaml", ".yml")
    return found


def write_artifact_into_catalog(fleet: Path, sha256: str, size: int) -> None:
    """As a reader does: both figures, at 1.12.7."""
    catalog = fleet / "catalog.yml"
    before, release, entry = catalog.read_text().partition('"1.12.7":')
    assert release
    entry = re.sub(r'sha256: "0{64}"', f'sha256: "{sha256}"', entry, count=1)
    catalog.write_text(before + release + entry.replace("size: 1\n", f"size: {size}\n", 1))

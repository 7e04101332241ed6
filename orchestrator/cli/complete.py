"""Names for the shell's completion: read quickly, from what lies in the fleet's directory.

Silent about whatever is wrong: a person in the middle of a line can do nothing with it.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
import yaml

#: Files that are opened for one key press.
_MOST_FILES = 200
_SHORT = 12

Complete = Callable[[typer.Context, str], list[str]]


def _from_fleet(names: Callable[[Path], Iterable[str]]) -> Complete:
    @functools.wraps(names)
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            directory = Path(ctx.find_root().params.get("fleet_directory") or ".")
            return sorted(name for name in names(directory) if name.startswith(incomplete))
        except Exception:
            return []

    # Typer passes by name what the signature asks for: the wrapped function's must not show.
    del complete.__wrapped__
    complete.__annotations__ = {"ctx": typer.Context, "incomplete": str}
    return complete


@_from_fleet
def facilities(directory: Path) -> Iterable[str]:
    """Facilities, by their files."""
    return [path.stem for path in directory.glob("facilities/*.yml")]


@_from_fleet
def hosts(directory: Path) -> Iterable[str]:
    """Hosts of the first facilities; a file that does not hold is passed over."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: set[str] = set()
    for path in sorted(directory.glob("facilities/*.yml"))[:_MOST_FILES]:
        try:
            content = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader
            found.update(map(str, content["hosts"]))
        except (yaml.YAMLError, OSError, KeyError, TypeError):
            continue
    return found


@_from_fleet
def plans(directory: Path) -> Iterable[str]:
    """Plans that were kept, by the beginning of their digest."""
    return [path.stem[:_SHORT] for path in directory.glob(".wardship/plans/*.json")]


@_from_fleet
def change_sets(directory: Path) -> Iterable[str]:
    """Change sets, as the journal names them: asked without its library, which takes long."""
    file = (directory / ".wardship" / "journal.sqlite").resolve()
    journal = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=0.2)
    try:
        return [str(row[0]) for row in journal.execute("select id from change_sets")]
    finally:
        journal.close()

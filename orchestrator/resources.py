"""Where the files are that travel with wardship: roles, playbooks, templates.

In a checkout they lie beside the package; a wheel carries them inside it, under ``_shipped``.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def roles() -> Path:
    """The directory of the roles."""
    return _beside_or_shipped("roles")


def templates() -> Path:
    """The directory of the templates."""
    return _beside_or_shipped("templates")


def playbooks() -> Path:
    """The directory of the playbooks, which are part of the package."""
    return _PACKAGE / "playbooks"


def _beside_or_shipped(name: str) -> Path:
    shipped = _PACKAGE / "_shipped" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name

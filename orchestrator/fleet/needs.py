"""What a release needs of another product: a range of its releases, as ``>=1.12,<2``.

Releases are compared as PEP 440 has it. One that is no version fits no range: what cannot be
compared is never a pass.
"""

from __future__ import annotations

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version


def is_range(text: str) -> bool:
    """Whether this is a range that a release can be in or not."""
    try:
        return bool(SpecifierSet(text))
    except InvalidSpecifier:
        return False


def fits(release: str, which: str) -> bool:
    """Whether a release is in a range."""
    try:
        return SpecifierSet(which, prereleases=True).contains(Version(release))
    except (InvalidSpecifier, InvalidVersion):
        return False

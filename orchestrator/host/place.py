"""Where one volume, and what a change keeps of it, lie."""

from __future__ import annotations

from .layout import Layout
from .manifest import ARCHIVE, Volume
from .system import System


class Place:
    """Where one volume and what belongs to it lie for one change, all on its file system.

    What is kept of an *index* lies beside it. An *archive* may be a mount point, and nothing beside
    it is on its file system: what is kept of it lies inside, away from its objects.
    """

    def __init__(self, system: System, change: str, volume: Volume) -> None:
        self.volume = volume
        self.is_archive = volume.kind == ARCHIVE
        self.live = system.at(volume.path)
        self.store = (self.live if self.is_archive else self.live.parent) / ".wardship" / change
        self.frozen = self.store / volume.name
        self.aside = self.store / f"{volume.name}.tmp"
        self.new = self.store / f"{volume.name}.new"
        self.failed = self.store / f"{volume.name}.failed"
        listings = Layout(system).change(change).listings
        self.listing = listings / volume.name
        self.listing_aside = listings / f"{volume.name}.tmp"

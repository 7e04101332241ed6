"""The host as the verbs see it: the machine, its disk, and where our state lies."""

from __future__ import annotations

from datetime import datetime, timezone

from .layout import Layout
from .system import System


class Host:
    """One machine with our state on it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.disk = system.disk
        self.layout = Layout(system)

    def stamp(self) -> str:
        """Now, UTC, to the millisecond."""
        moment = datetime.fromtimestamp(self.system.now(), timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

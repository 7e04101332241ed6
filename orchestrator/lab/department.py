"""A radiology department in a lab: a hospital's PACS and its RIS, on two hosts of one facility."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.fleet.model import Fleet
from orchestrator.lab import artifacts, gnuhealth
from orchestrator.lab.demo import Demo
from orchestrator.lab.fleet_files import write_fleet
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import DEFAULT_HOSTS
from orchestrator.lab.provision import WEB_USER
from orchestrator.lab.radiology import Radiology
from orchestrator.lab.ris import Linked

WEB_PORT = 8042
#: The PACS of the hospital that has a RIS.
PACS_HOST = DEFAULT_HOSTS[0]
#: What is ordered of each.
ORDERED = {artifacts.PRODUCT: "1.12.7", gnuhealth.PRODUCT: "5.0.6"}


class Department:
    """A lab with both in it. ``say`` hears one line for each step that takes time."""

    def __init__(self, lab: Lab, *, say: Callable[[str], None]) -> None:
        self.lab = lab
        self.demo, self.radiology = Demo(lab, say=say), Radiology(lab, say=say)
        self._say = say

    @property
    def fleet_directory(self) -> Path:
        """Where the fleet of both is declared."""
        return self.lab.home / "department" / "fleet"

    def up(self) -> Fleet:
        """Everything from nothing, or what is missing of it.

        Raises:
            LabError: the lab could not be made.
        """
        self.demo.up((PACS_HOST,))
        url = f"http://{PACS_HOST.address}:{WEB_PORT}"
        password = self.demo.hospital(PACS_HOST.name).web_password
        self.radiology.up(pacs=Linked(url, WEB_USER, password))
        cache = self.lab.cache
        releases = {
            artifacts.PRODUCT: artifacts.bundles(cache=cache, say=self._say),
            gnuhealth.PRODUCT: gnuhealth.bundles(cache=cache, say=self._say),
        }
        return write_fleet(
            self.fleet_directory, [self.radiology.declared(), self.demo.declared(PACS_HOST)],
            releases=releases, mandated=ORDERED, ssh_key=self.lab.paths.ssh_key,
        )  # fmt: skip

    def reset(self) -> None:
        """Put both back to how they were found, and wait until they answer."""
        self.demo.reset(PACS_HOST.name)
        self.radiology.reset()

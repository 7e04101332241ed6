"""A hospital's RIS in a lab, as wardship finds it: provisioned, filled, frozen.

Its database takes minutes to make, once: what fills it is kept as a dump beside the releases.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.fleet.model import Fleet
from orchestrator.lab import gnuhealth, laboratory, records, ris, ris_database
from orchestrator.lab.artifacts import Bundle
from orchestrator.lab.declared import Declared
from orchestrator.lab.fleet_files import write_fleet
from orchestrator.lab.guest import Run, wait_until
from orchestrator.lab.hospital import Lab
from orchestrator.lab.kept import keep
from orchestrator.lab.model import RIS_HOST, SHARED_RIS_HOST, HostSpec
from orchestrator.lab.ris import RisHospital

#: What the hospital runs when wardship comes.
FOUND = "4.4.1"
FACILITY, TITLE, COUNTRY, TIMEZONE = "hospital-a", "Hospital A", "SZ", "Africa/Mbabane"
#: Raised when the hospital changes, so that one from before is not taken for it.
_EDITION = "3"


class Radiology:
    """A lab with a RIS in it. ``say`` hears one line for each step that takes time."""

    def __init__(self, lab: Lab, *, say: Callable[[str], None], spec: HostSpec = RIS_HOST) -> None:
        self.lab = lab
        self.spec = spec
        self._say = say

    @property
    def host(self) -> str:
        """Its host's name."""
        return self.spec.name

    @property
    def fleet_directory(self) -> Path:
        """Where the lab's fleet is declared."""
        return self.lab.home / ("ris" if self.spec is RIS_HOST else self.host) / "fleet"

    @property
    def run(self) -> Run:
        """Runs commands on the host."""
        return self.lab.guest(self.host)

    @property
    def url(self) -> str:
        """The RIS's root, in the controller's network."""
        return f"http://{self.spec.address}:{ris.PORT}"

    @property
    def hospital(self) -> RisHospital:
        """The hospital with its secrets, which are made once in a lab's life."""
        kept = self.lab.home / "hosts" / f"{self.host}.secrets.json"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(json.dumps([secrets.token_hex(12) for _ in range(4)]))
        admin, verifier, database, bridge = json.loads(kept.read_text())
        is_shared = self.spec is SHARED_RIS_HOST
        return RisHospital(TITLE, admin, verifier, database, bridge, shared=is_shared)

    def up(self, *, release: str = "5.0.6", pacs: ris.Linked | None = None) -> Fleet:
        """Everything from nothing, or what is missing of it; ``release`` is what is mandated.

        ``pacs``: what a RIS that is made now asks for images.

        Raises:
            LabError: the lab could not be made.
        """
        releases = gnuhealth.bundles(cache=self.lab.cache, say=self._say)
        self.lab.up((self.spec,))
        self._found(releases[FOUND], pacs)
        product = gnuhealth.PRODUCT
        return write_fleet(
            self.fleet_directory, [self.declared()], releases={product: releases},
            mandated={product: release}, ssh_key=self.lab.paths.ssh_key,
        )  # fmt: skip

    def declared(self) -> Declared:
        """What a fleet says of the host."""
        return Declared(
            facility=FACILITY, country=COUNTRY, timezone=TIMEZONE,
            host=self.host, address=str(self.spec.address),
            host_key=self.lab.paths.host_key(self.host).with_suffix(".pub").read_text(),
            hospital=self.hospital,
        )  # fmt: skip

    def reset(self) -> None:
        """Put the hospital back to how it was found, and wait until its RIS answers."""
        self.lab.reset(self.host)
        self._boot()

    def _found(self, release: Bundle, pacs: ris.Linked | None) -> None:
        """Make the RIS and freeze it, unless that was done to the end before."""
        done = self.lab.home / "hosts" / f"{self.host}.found"
        if done.exists() and done.read_text() != _EDITION:
            raise LabError(
                f"the lab {self.lab.name} was made by another wardship",
                hint=f"wardship lab down --name {self.lab.name}, then bring it up again",
            )
        if done.exists():
            return
        filled = self._filled(release)
        self._say(f"{self.host}: provisioning GNU Health {release.version} with its records")
        ris.provision(self.run, self.hospital, release, dump=filled)
        if self.hospital.shared:
            laboratory.provision(self.run)
        if pacs:
            ris.link(self.run, pacs)
        self.lab.stop(self.host)
        self.lab.freeze(self.host)
        done.write_text(_EDITION)
        self._boot()

    def _filled(self, release: Bundle) -> Path:
        """The dump of a database with the lab's records, from the cache or made on the host."""

        def make(into: Path) -> None:
            self._say(f"{self.host}: a first database with its records, once (two to four minutes)")
            ris.provision(self.run, self.hospital, release, dump=None)
            program = [sys.executable, "-m", records.__name__, self.url]
            self.lab.exec(program, stdin=self.hospital.admin_password.encode())
            ris_database.dump(self.run, into / "records.dump")

        sources = [Path(module.__file__ or "").read_bytes() for module in (records, ris_database)]
        key = hashlib.sha256(b"".join(sources)).hexdigest()[:16]
        name = f"{release.version}-{gnuhealth.key(release.version)}-{key}"
        return keep(self.lab.cache / "records" / name, make) / "records.dump"

    def _boot(self) -> None:
        self.lab.boot(self.host)
        self.lab.wait_ssh(self.host)
        wait_until(
            lambda: ris.answers(self.run), what=f"{self.host}: its RIS answers", seconds=120.0
        )

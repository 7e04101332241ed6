"""The two hospitals of the demonstration, as wardship finds them: provisioned, filled, frozen.

Joins the lab's machinery (hosts) with its content (an archive, studies, a fleet directory).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.fleet.model import Fleet
from orchestrator.lab import artifacts, seed
from orchestrator.lab.authority import Secured, secured
from orchestrator.lab.declared import Declared
from orchestrator.lab.fleet_files import write_fleet
from orchestrator.lab.guest import Rest, Run, wait_until
from orchestrator.lab.hospital import Lab
from orchestrator.lab.loss import Stored
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY, PLAIN_HOST, HostSpec
from orchestrator.lab.provision import LIVE, Hospital, Remote, provision, web
from orchestrator.lab.studies import Archive

#: What the hospitals run when wardship comes.
FOUND = "1.10.1"
#: Raised when the hospitals change, so that those from before are not taken for them.
_EDITION = "2"


@dataclass(frozen=True)
class Place:
    """A hospital of the demonstration, without its secrets."""

    facility: str
    title: str
    country: str
    timezone: str
    ae_title: str
    modality: Remote
    archive: Archive
    #: The name in the certificate that its archive shows; without one it speaks in the clear.
    tls_name: str | None = None
    live: str = LIVE
    images: str | None = None


PLACES = {
    "pacs-a": Place(
        "hospital-a",
        "Hospital A",
        "SZ",
        "Africa/Mbabane",
        "HOSPITALA",
        Remote("CT1", str(MODALITY), 11104),
        Archive("a"),
    ),
    "pacs-b": Place(
        "hospital-b",
        "Hospital B",
        "MZ",
        "Africa/Maputo",
        "HOSPITALB",
        Remote("MR1", str(MODALITY), 11105, tls=True),
        Archive("b"),
        tls_name="pacs.hospital-b.invalid",
    ),
}


#: A hospital beside them, whose file systems cannot snapshot.
PLAIN_PLACES = {
    "pacs-c": Place(
        "hospital-c",
        "Hospital C",
        "DJ",
        "Africa/Djibouti",
        "HOSPITALC",
        Remote("DX1", str(MODALITY), 11106),
        Archive("c", studies=16),
        live="/index/live",
        images="/images",
    ),
}

ADDRESSES = {spec.name: str(spec.address) for spec in (*DEFAULT_HOSTS, PLAIN_HOST)}


def place(host: str) -> Place:
    """The hospital of a host."""
    return {**PLACES, **PLAIN_PLACES}[host]


class Demo:
    """A lab with hospitals in it. ``say`` hears one line for each step that takes time."""

    def __init__(self, lab: Lab, *, say: Callable[[str], None]) -> None:
        self.lab = lab
        self._say = say

    @property
    def fleet_directory(self) -> Path:
        """Where the lab's fleet is declared."""
        return self.lab.home / "fleet"

    def up(self, hosts: tuple[HostSpec, ...] = DEFAULT_HOSTS, *, release: str = "1.12.7") -> Fleet:
        """Everything from nothing, or what is missing of it; ``release`` is what is mandated.

        Raises:
            LabError: the lab could not be made.
        """
        releases = artifacts.bundles(cache=self.lab.cache, say=self._say)
        self.lab.up(hosts)
        for spec in hosts:
            self._found(spec, releases[FOUND])
        declared = [self.declared(spec) for spec in hosts]
        key = self.lab.paths.ssh_key
        return write_fleet(
            self.fleet_directory, declared, releases={artifacts.PRODUCT: releases},
            mandated={artifacts.PRODUCT: release}, ssh_key=key,
        )  # fmt: skip

    def run(self, host: str) -> Run:
        """Runs commands on a host."""
        return self.lab.guest(host)

    def rest(self, host: str) -> Rest:
        """The web service of a host's archive."""
        return web(self.run(host), self.hospital(host))

    def hospital(self, host: str) -> Hospital:
        """A hospital with its secrets, which are made once in a lab's life."""
        here = place(host)
        kept = self.lab.home / "hosts" / f"{host}.secrets.json"
        if not kept.exists():
            kept.touch(mode=0o600)
            kept.write_text(json.dumps([secrets.token_hex(12), secrets.token_hex(12)]))
        web_password, database_password = json.loads(kept.read_text())
        return Hospital(
            title=here.title,
            ae_title=here.ae_title,
            web_password=web_password,
            database_password=database_password,
            modalities=(here.modality,),
            secured=self.secured(host),
            live=here.live,
            images=here.images,
        )

    def secured(self, host: str) -> Secured | None:
        """A hospital's certificates, made once in a lab's life; None where it has none."""
        name = place(host).tls_name
        return secured(self._certificates(host), name) if name else None

    def modality_argv(self, host: str) -> list[str]:
        """How a modality of this hospital calls its archive, for ``orchestrator.lab.modality``."""
        here, address = place(host), ADDRESSES[host]
        argv = ["--peer", f"{address}:4242", "--called", here.ae_title]
        argv += ["--calling", here.modality.ae_title]
        if (found := self.secured(host)) is None:
            return argv
        files = {
            "ca": found.ca,
            "certificate": found.modality.certificate,
            "key": found.modality.key,
        }
        for name, text in files.items():
            path = self._certificates(host) / f"modality-{name}.pem"
            path.touch(mode=0o600)
            path.write_text(text, encoding="ascii")
            argv += [f"--tls-{name}", str(path)]
        return [*argv, "--tls-name", found.name]

    def _certificates(self, host: str) -> Path:
        return self.lab.home / "hosts" / f"{host}.tls"

    def objects(self, host: str) -> tuple[Stored, ...]:
        """What the host's archive was filled with."""
        return seed.prepare(place(host).archive, cache=self.lab.cache).objects

    def reset(self, host: str) -> None:
        """Put a hospital back to how it was found, and wait until its archive answers."""
        self.lab.reset(host)
        self._boot(host)

    def _found(self, spec: HostSpec, release: artifacts.Bundle) -> None:
        """Make a hospital of a host and freeze it, unless that was done to the end before."""
        done = self.lab.home / "hosts" / f"{spec.name}.found"
        if done.exists() and done.read_text() != _EDITION:
            raise LabError(
                f"the lab {self.lab.name} was made by another wardship",
                hint=f"wardship lab down --name {self.lab.name}, then bring it up again",
            )
        if done.exists():
            return
        self._say(f"{spec.name}: provisioning {release.version}, filling its archive")
        rest = provision(self.run(spec.name), self.hospital(spec.name), release)
        seed.seed(rest, seed.prepare(place(spec.name).archive, cache=self.lab.cache))
        self.lab.stop(spec.name)
        self.lab.freeze(spec.name)
        done.write_text(_EDITION)
        self._boot(spec.name)

    def _boot(self, host: str) -> None:
        self.lab.boot(host)
        self.lab.wait_ssh(host)
        rest = self.rest(host)
        wait_until(
            lambda: bool(rest.get("/system")), what=f"{host}: its archive answers", seconds=60.0
        )

    def declared(self, spec: HostSpec) -> Declared:
        """What a fleet says of a host."""
        here = place(spec.name)
        return Declared(
            facility=here.facility,
            country=here.country,
            timezone=here.timezone,
            host=spec.name,
            address=str(spec.address),
            host_key=self.lab.paths.host_key(spec.name).with_suffix(".pub").read_text(),
            hospital=self.hospital(spec.name),
        )

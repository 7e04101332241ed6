"""A hospital under test: real hosts, the ``wardship`` command as a child process, a modality.

The test's second opinion is the lab's: what the modality wrote down as acknowledged, compared with
what the archive gives back; and the journal and host records, read as they are.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from orchestrator.lab import faults, modality
from orchestrator.lab.demo import Demo, place
from orchestrator.lab.hospital import Lab
from orchestrator.lab.loss import lost_from
from orchestrator.lab.modality import Acknowledged
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY_NAME, PLAIN_HOST
from tests.lab.controlled import CACHE, CHECKOUT, LABS, Controlled, wait_for

HOSTS = (*DEFAULT_HOSTS, PLAIN_HOST)


class Pacs(Controlled):
    """One hospital of the lab, ``pacs-a``'s or ``pacs-b``'s."""

    def __init__(self, demo: Demo, host: str) -> None:
        here = place(host)
        super().__init__(demo.lab, host, facility=here.facility, fleet=demo.fleet_directory)
        self.demo = demo
        #: The last change left nothing: the next may begin without a reset.
        self.is_as_found = False

    def reset(self) -> None:
        """The hospital as found, the fleet as declared, no journal."""
        self.is_as_found = False
        self.demo.reset(self.host)
        shutil.rmtree(self.state, ignore_errors=True)
        self.settings(release="1.12.7")

    def settings(self, *, release: str, **settings: object) -> None:
        """Write the mandate and this host's settings."""
        (self.fleet / "mandate.yml").write_text(
            yaml.safe_dump(
                {
                    "mandate": f"Every archive runs {release}",
                    "orders": [
                        {
                            "product": "orthanc",
                            "release": release,
                            "facilities": [self.facility],
                        }
                    ],
                }
            )
        )
        file = self.fleet / "facilities" / f"{self.facility}.yml"
        declared = yaml.safe_load(file.read_text())
        title = place(self.host).title
        declared["hosts"][self.host]["settings"] = {"orthanc_name": title, **settings}
        file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))

    def park(self, **parking: object) -> None:
        """Declare that intake is parked here; with nothing given, that it is not."""
        file = self.fleet / "facilities" / f"{self.facility}.yml"
        declared = yaml.safe_load(file.read_text())
        declared["hosts"][self.host]["parking"] = parking or False
        file.write_text(yaml.safe_dump(declared, allow_unicode=True, sort_keys=False))

    # -- what is so ------------------------------------------------------------------------------

    def release(self) -> str:
        """What runs, by the archive's own word."""
        return str(self.demo.rest(self.host).json("/system")["Version"])

    def is_open_to_modalities(self) -> bool:
        """Whether a connection from the modality's network is let in."""
        address = next(str(s.address) for s in HOSTS if s.name == self.host)
        code = f"import socket; socket.create_connection(('{address}', 4242), 2)"
        tried = self.demo.lab.exec([sys.executable, "-c", code], at=MODALITY_NAME, check=False)
        return tried.returncode == 0

    # -- what is done to it ----------------------------------------------------------------------

    def break_(self, fault: str) -> None:
        """Arm a fault: it comes with the next release's start."""
        faults.break_(self.run, fault)

    @contextmanager
    def sending(self, directory: Path) -> Iterator[Path]:
        """A modality sends all the while; afterwards nothing that it got success for is missing."""
        manifest = directory / "acknowledged.jsonl"
        argv = [
            *self.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-m",
            "orchestrator.lab.modality", *self.demo.modality_argv(self.host),
            "--manifest", str(manifest), "--interval", "0.3", "--seed", str(time.time_ns()),
        ]  # fmt: skip
        with subprocess.Popen(argv, cwd=CHECKOUT) as process:
            try:
                wait_for("the modality's first image", lambda: count(manifest), seconds=60)
                yield manifest
                before = count(manifest)
                wait_for("an image after the change", lambda: count(manifest) > before, seconds=90)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        self.assert_nothing_lost(manifest)

    def assert_nothing_lost(self, manifest: Path) -> None:
        """Everything acknowledged, and everything that was there before, is there and the same."""
        objects = [*self.demo.objects(self.host), *modality.acknowledged(manifest)]
        assert len(objects) > len(self.demo.objects(self.host)), "the modality sent nothing"
        assert lost_from(self.demo.rest(self.host), objects) == []

    def assert_as_before(self) -> None:
        """The old release serves the clinic, and the host holds nothing back."""
        assert self.release() == "1.10.1"
        self._assert_open()

    def assert_committed(self, release: str = "1.12.7") -> None:
        """The new release serves the clinic, and the host holds nothing back."""
        assert self.release() == release
        self._assert_open()

    def _assert_open(self) -> None:
        says = self.host_says()
        assert (says["door"], says["hold"]) == ("open", False)
        assert self.is_open_to_modalities()


def count(manifest: Path) -> int:
    """How many images were acknowledged so far."""
    if not manifest.exists():
        return 0
    return sum(isinstance(line, Acknowledged) for line in modality.read(manifest))


def make_lab(name: str, *hosts: str) -> Demo:
    """A lab with these hospitals in it."""
    lab = Lab(name, state=LABS, cache=CACHE, say=print)
    lab.down()
    demo = Demo(lab, say=print)
    demo.up(tuple(spec for spec in HOSTS if spec.name in hosts))
    return demo

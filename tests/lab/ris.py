"""A RIS under test. The second opinion is a client of the lab's own: it logs in and reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import yaml

from orchestrator.lab import ris_faults
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import RIS_HOST, HostSpec
from orchestrator.lab.radiology import FACILITY, FOUND, Radiology
from orchestrator.lab.ris import PORT, RELEASES, VERIFIER
from tests.lab.controlled import CACHE, CHECKOUT, LABS, LONG, Controlled

#: Everything that the verifier's account can see of every patient and order, by name.
READ = """
import json, sys
from orchestrator.wire.tryton import TrytonClient
url, user = sys.argv[1:]
with TrytonClient(url, database="gnuhealth", timeout=60) as ris:
    ris.log_in(user, sys.stdin.read().strip())
    # All but wardship's own, which a change makes.
    patients = ris.search(
        "gnuhealth.patient",
        ["rec_name", "puid", "dob", "critical_info"],
        domain=[["puid", "not like", "WARDSHIP-%"]],
    )
    orders = ris.search(
        "gnuhealth.imaging.test.request",
        ["request", "date", "state", "comment", "urgent", "patient.rec_name"],
        domain=[["request", "not like", "WARDSHIP-%"]],
    )
    print(json.dumps([ris.version(), patients, orders], sort_keys=True))
"""


class Ris(Controlled):
    """The one RIS of a lab."""

    #: A migration alone takes a minute, and three where others work on the machine.
    patience = 900.0

    def __init__(self, radiology: Radiology) -> None:
        super().__init__(
            radiology.lab, radiology.host, facility=FACILITY, fleet=radiology.fleet_directory
        )
        self.radiology = radiology

    def reset(self) -> None:
        """The hospital as found, no journal."""
        self.radiology.reset()
        shutil.rmtree(self.state, ignore_errors=True)
        self.mandate("5.0.6")

    def mandate(self, release: str) -> None:
        """Order a release."""
        order = {"product": "gnuhealth", "release": release, "facilities": "all"}
        text = yaml.safe_dump({"mandate": f"Every RIS runs {release}", "orders": [order]})
        (self.fleet / "mandate.yml").write_text(text)

    def break_(self, fault: str) -> None:
        """Arm a fault: it comes with the next release's start."""
        ris_faults.break_(self.run, fault)

    def census(self) -> str:
        """A listing of the records, taken now."""
        done = self.wardship("census", self.facility, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        (one,) = json.loads(done.stdout)["taken"]
        return str(one["listing"])

    def read(self) -> list[Any]:
        """Tryton's version, every patient, every order, as a person's client gets them."""
        argv = [*self.lab.enter_argv(), sys.executable, "-c", READ, self.radiology.url, VERIFIER]
        done = subprocess.run(
            argv, cwd=CHECKOUT, input=self.radiology.hospital.verifier_password,
            capture_output=True, text=True, timeout=LONG, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: list[Any] = json.loads(done.stdout)
        return found

    def release(self) -> str:
        """What runs, by where its process lies."""
        pid = self.run(["systemctl", "show", "-P", "MainPID", "gnuhealth"]).decode().strip()
        words = self.run(["cat", f"/proc/{pid}/cmdline"]).decode().split("\0")
        return next(word for word in words if word.startswith(f"{RELEASES}/")).split("/")[3]

    def is_open(self) -> bool:
        """Whether a connection from the network is let in."""
        code = (
            f"import socket; socket.create_connection(('{self.radiology.spec.address}', {PORT}), 2)"
        )
        return self.lab.exec([sys.executable, "-c", code], check=False).is_ok

    def assert_serves(self, release: str) -> None:
        """This release serves, and the host holds nothing back."""
        assert self.release() == release
        says = self.host_says()
        assert (says["door"], says["hold"]) == ("open", False)
        assert self.is_open()

    def assert_as_before(self, read: list[Any]) -> None:
        """The release as found serves what was read before, all of it and nothing else."""
        self.assert_serves(FOUND)
        assert self.read() == read


def make_ris(name: str, spec: HostSpec = RIS_HOST) -> Ris:
    """A lab with the RIS in it."""
    lab = Lab(name, state=LABS, cache=CACHE, say=print)
    lab.down()
    radiology = Radiology(lab, say=print, spec=spec)
    radiology.up()
    return Ris(radiology)

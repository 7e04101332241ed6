"""docs/tutorial.md, followed to its end on a real host: from nothing to a plan, and no further."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from orchestrator.adapters.secrets import Secrets
from orchestrator.fleet.load import load
from orchestrator.fleet.model import SecretRef
from tests import tutorial
from tests.lab.controlled import LONG
from tests.lab.pacs import Pacs

KEY = "PACS_A_DICOM_KEY"


class Reader:
    """Somebody with the lab's host, its passwords and the release, and no fleet."""

    def __init__(self, pacs: Pacs, directory: Path) -> None:
        self.pacs, self.directory, self.fleet = pacs, directory, directory / "myfleet"
        self.secrets = Secrets(load(pacs.fleet))
        self.passwords: list[str] = []
        self.environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WARDSHIP_FLEET": str(self.fleet),
        }
        for release in (pacs.fleet / "depot").iterdir():
            shutil.copy2(release, directory)

    def types(self, text: str) -> str:
        """What the shell says, on a machine that reaches the host; the fingerprint was compared."""
        compared = text.replace("fleet trust pacs-a", "fleet trust pacs-a --yes")
        done = subprocess.run(
            [*self.pacs.demo.lab.enter_argv(), "bash", "-euc", compared],
            cwd=self.directory, env=self.environment, capture_output=True, text=True,
            input="".join(f"{one}\n" for one in self.passwords), timeout=LONG, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def declares(self) -> None:
        """The page's facility, with what this host has in truth."""
        ours = self.pacs.fleet / "facilities" / f"{self.pacs.facility}.yml"
        host: dict[str, Any] = yaml.safe_load(ours.read_text())["hosts"][self.pacs.host]
        web, database = host["web"]["password"], host["secrets"]["orthanc_database_password"]
        self.passwords = [self.secrets.resolve(SecretRef(**ref)) for ref in (web, database)]
        file = self.fleet / "facilities" / "hospital-a.yml"
        page: dict[str, Any] = yaml.safe_load(file.read_text())
        (declared,) = page["hosts"].values()
        host["web"]["password"] = declared["web"]["password"]
        host["secrets"] = declared["secrets"]
        if tls := host["dicom"].get("tls"):
            shutil.copytree(self.pacs.fleet / "tls", self.fleet / "tls")
            key = self.secrets.resolve(SecretRef(**tls["probe"]["key"]))
            self.environment[KEY] = key
            tls["probe"]["key"] = {"env": KEY}
        page["hosts"]["pacs-a"] = host
        file.write_text(yaml.safe_dump(page, sort_keys=False))
        settings = yaml.safe_load((self.fleet / "fleet.yml").read_text())
        settings["ssh"] = {"user": "root", "key": str(self.pacs.fleet / "id_ed25519")}
        (self.fleet / "fleet.yml").write_text(yaml.safe_dump(settings))


def test_who_follows_the_tutorial_has_a_plan_and_an_unchanged_hospital(
    pacs: Pacs, tmp_path: Path
) -> None:
    reader = Reader(pacs, tmp_path)
    before = pacs.run(["readlink", "/opt/orthanc/current"])
    said = ""
    for language, mark, text in tutorial.blocks():
        if language == "console":
            said = reader.types(text)
        else:
            (reader.fleet / mark).write_text(text)
        if mark == "facilities/hospital-a.yml":
            reader.declares()
        if "read -rsp" in text:
            names = ("PACS_A_WEB_PASSWORD", "PACS_A_DATABASE_PASSWORD")
            reader.environment |= dict(zip(names, reader.passwords, strict=True))
        if "sha256sum" in text:
            tutorial.write_artifact_into_catalog(
                reader.fleet, said.split()[0], int(said.split()[-1])
            )
    assert "plan for 1 facility kept; nothing was changed. next: wardship run " in said
    assert pacs.run(["readlink", "/opt/orthanc/current"]) == before

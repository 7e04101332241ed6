"""What a change costs the controller: ``wardship run``, and pyinfra reaching the same end, in turn.

On a real lab host, from the hospital as found each time. pyinfra lays down what the change laid
down, taken from where it ended, and must leave the product the same, file for file. It takes no
baseline, census or snapshot, checks nothing and keeps no way back: it is the floor, not a rival.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.lab.demo import ADDRESSES, Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import DEFAULT_HOSTS
from tests.bench.figures import RESULTS, ROOT, Taking, keep
from tests.bench.process import Cost, cost_of
from tests.lab.controlled import CACHE, LABS
from tests.lab.pacs import Pacs

HOST, NEW = "pacs-a", "1.12.7"
CONFIGURATION = ("orthanc.json", "postgresql.json", "credentials.json")
DEPLOY = ROOT / "tests" / "bench" / "pyinfra_deploy.py"
END = f"""set -e
cd /
readlink /opt/orthanc/current
find opt/orthanc/{NEW} -type f ! -name .wardship-release.json -print0 | sort -z |
  xargs -0 sha256sum | sha256sum
find etc/orthanc -type f -print0 | sort -z | xargs -0 sha256sum
stat -c '%n %U %G %a' etc/orthanc/*
systemctl is-active orthanc.service postgresql@15-main.service
"""


def main() -> None:
    """Measure, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    taking = Taking(
        "controller", note="The controller's processes alone; hosts work by themselves."
    )
    lab = Lab("bench", state=LABS, cache=CACHE, say=print)
    lab.down()
    try:
        demo = Demo(lab, say=print)
        demo.up(tuple(each for each in DEFAULT_HOSTS if each.name == HOST))
        for _ in range(wanted.rounds):
            with TemporaryDirectory(prefix="wardship-bench-") as directory:
                _round(Pacs(demo, HOST), Path(directory), taking)
    finally:
        lab.down()
    keep(taking.result(), wanted.out)


def _round(pacs: Pacs, directory: Path, taking: Taking) -> None:
    pacs.reset()
    planned = cost_of(pacs.argv("plan", "--json"))
    plan = json.loads(planned.output)["digest"]
    ran = cost_of(pacs.argv("run", plan))
    end = pacs.run(["sh", "-c", END])
    for name in CONFIGURATION:
        (directory / name).write_bytes(pacs.run(["cat", f"/etc/orthanc/{name}"]))
    pacs.reset()
    floor = cost_of(_pyinfra(pacs, directory))
    left = pacs.run(["sh", "-c", END])
    if left != end or pacs.release() != NEW:
        raise RuntimeError(f"pyinfra left another host than the change:\n{left!r}\n{end!r}")
    _tell(taking, "pyinfra", floor)
    _tell(taking, "wardship plan", planned, beside="pyinfra")
    _tell(taking, "wardship run", ran, beside="pyinfra")


def _tell(taking: Taking, name: str, cost: Cost, *, beside: str = "") -> None:
    for what, seconds in (("processor", cost.cpu), ("clock", cost.wall)):
        taking.add(f"{name}: {what}", seconds, beside=f"{beside}: {what}" if beside else "")


def _pyinfra(pacs: Pacs, directory: Path) -> list[str]:
    """The command. The inventory is a file of pyinfra's own; host keys are checked as ours are."""
    lab = pacs.demo.lab
    (artifact,) = (pacs.fleet / "depot").rglob(f"*{NEW}*.tar.gz")
    keys = [line.split(" ", 1) for line in (pacs.fleet / "known_hosts").read_text().splitlines()]
    known = directory / "known_hosts"
    known.write_text("".join(f"{ADDRESSES[HOST]} {key}\n" for name, key in keys if name == HOST))
    data = {
        "ssh_hostname": ADDRESSES[HOST],
        "ssh_user": "root",
        "ssh_key": str(lab.paths.ssh_key),
        "ssh_known_hosts_file": str(known),
        "ssh_strict_host_key_checking": "yes",
        "artifact": str(artifact),
        "release": NEW,
        "configuration": str(directory),
    }
    inventory = directory / "inventory.py"
    inventory.write_text(f"hosts = [({HOST!r}, {data!r})]\n")
    program = [sys.executable, "-m", "pyinfra", "-y", str(inventory), str(DEPLOY)]
    return [*lab.enter_argv(), *program]


if __name__ == "__main__":
    main()

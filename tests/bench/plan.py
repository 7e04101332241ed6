"""How long a plan takes for a country: 30, 300 and 1,000 facilities of 30 hosts.

The command itself, in a fresh process, with hosts that answer at once; beside it, in turn, plain
PyYAML (libyaml, ``CSafeLoader``) that only reads the same files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.figures import RESULTS, Taking, keep
from tests.bench.fleets import HOSTS, write_fleet
from tests.bench.process import cost_of

#: Read as fast as it can be done, and believed as it is.
_PLAIN = """\
import pathlib, sys, yaml
files = sorted(pathlib.Path(sys.argv[1], "facilities").glob("*.yml"))
read = [yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader) for file in files]
sys.stdout.write(str(sum(len(one["hosts"]) for one in read)))
"""
#: What is done beside Ansible, once for each facility that it is run for.
AROUND = ("surveys and inventories", "predictions and inventories")


def main() -> None:
    """Measure, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facilities", type=int, nargs="+", default=[30, 300, 1000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    taking = Taking("plan", note="Seconds are of processor time: others worked on this machine.")
    with TemporaryDirectory(prefix="wardship-bench-") as directory:
        for count in wanted.facilities:
            fleet = write_fleet(Path(directory, str(count)), count)
            for _ in range(wanted.rounds):
                _round(fleet, count, taking)
    keep(taking.result(), wanted.out)


def _round(fleet: Path, count: int, taking: Taking) -> None:
    plain = cost_of([sys.executable, "-c", _PLAIN, str(fleet)])
    shutil.rmtree(fleet / ".wardship", ignore_errors=True)
    environment = {"WEB_PASSWORD": "synthetic-web", "DATABASE_PASSWORD": "synthetic-database"}
    planned = cost_of(
        [sys.executable, "-m", "tests.bench.plan_command", str(fleet)], environment=environment
    )
    told = json.loads(planned.output.splitlines()[-1])
    expected = count * HOSTS
    if told["hosts"] != expected or int(plain.output) != expected:
        raise RuntimeError(f"planned {told['hosts']}, read {plain.output}, expected {expected}")
    around = sum(told["stages"][stage] for stage in AROUND)
    name = f"{count} facilities"
    taking.add(f"{name}: CSafeLoader alone", plain.cpu)
    taking.add(f"{name}: the plan", planned.cpu - around, beside=f"{name}: CSafeLoader alone")
    for stage, seconds in told["stages"].items():
        of = "beside Ansible" if stage in AROUND else "of the plan"
        taking.add(f"{name}, {of}: {stage}", seconds)
    taking.add(f"{name}: peak", told["peak"], "MiB")


if __name__ == "__main__":
    main()

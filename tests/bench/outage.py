"""How long a clinic is out: changes and restores by wardship, and the same by hand, in turn.

On a real lab host, with a small archive and a large one. A modality sends all the while, every
tenth of a second; its gaps are the figures. By hand is ``tests/bench/by_hand.py``, without checks
and with those of the plan. What wardship's checks took is its own journal's word.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.lab import artifacts, modality
from orchestrator.lab.demo import Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY_NAME
from orchestrator.lab.provision import install
from orchestrator.report.timeline import activities
from orchestrator.rollout.model import Record, State
from tests.bench import by_hand
from tests.bench.figures import RESULTS, ROOT, Taking, keep
from tests.lab.controlled import CACHE, LABS, wait_for
from tests.lab.pacs import Pacs, count

HOST = "pacs-a"
DATA_MIB = 16384
BALLAST = """set -e
mkdir /data/live/orthanc/ballast
for i in $(seq {count}); do head -c 256M /dev/urandom > /data/live/orthanc/ballast/$i; done
chown -R orthanc: /data/live/orthanc/ballast
sync --file-system /data
"""


def main() -> None:
    """Measure, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=5120, help="MiB of the large archive")
    parser.add_argument("--out", type=Path, default=RESULTS)
    wanted = parser.parse_args()
    taking = Taking("outage", note="Seconds on the clock, as the modality saw them.")
    lab = Lab("bench", state=LABS, cache=CACHE, say=print)
    lab.down()
    try:
        demo = Demo(lab, say=print)
        (spec,) = (each for each in DEFAULT_HOSTS if each.name == HOST)
        demo.up((replace(spec, data_mib=DATA_MIB),))
        pacs = Pacs(demo, HOST)
        for size in (0, wanted.large):
            _archive(pacs, size)
            for _ in range(wanted.rounds):
                _round(pacs, f"{size / 1024:g} GiB" if size else "small", taking)
    finally:
        lab.down()
    keep(taking.result(), wanted.out)


def _archive(pacs: Pacs, mib: int) -> None:
    """The hospital as found, the next release beside its own, and so much more stored."""
    pacs.reset()
    install(pacs.run, artifacts.build(by_hand.NEW, cache=CACHE, say=print))
    if mib:
        pacs.run(["sh", "-c", BALLAST.format(count=mib // 256)])


def _round(pacs: Pacs, size: str, taking: Taking) -> None:
    bare = {what: _gap(pacs, partial(_script, pacs, what)) for what in by_hand.RELEASE}
    pacs.run(["sh", "-c", by_hand.tidy()])
    _checked(pacs, "prepare")
    checked = {what: _gap(pacs, partial(_checked, pacs, what)) for what in by_hand.RELEASE}
    plan = pacs.plan()
    ours = {"change": _gap(pacs, lambda: _wardship(pacs, "run", plan))}
    checks = {"change": _seconds(pacs.the_record(), State.VERIFYING)}
    change = pacs.the_record().change_set.id
    ours["restore"] = _gap(pacs, lambda: _wardship(pacs, "restore", change, "--reason", "bench"))
    checks["restore"] = _seconds(pacs.the_record(), State.CONFIRMING)
    for what in by_hand.RELEASE:
        name = f"{size}, {what}"
        taking.add(f"{name}: by hand, no checks", bare[what])
        taking.add(f"{name}: by hand, checked", checked[what])
        taking.add(f"{name}: wardship", ours[what], beside=f"{name}: by hand, checked")
        taking.add(f"{name}, of wardship's: checks", checks[what])
        taking.add(f"{name}: overhead", ours[what] - checked[what])


def _seconds(record: Record, state: State) -> float:
    """What the last of these steps took."""
    (*_, last) = (one for one in activities(record.entries) if one.state == state)
    if last.seconds is None:
        raise RuntimeError(f"{state} has no end")
    return last.seconds


def _script(pacs: Pacs, what: str) -> None:
    pacs.run(["sh", "-c", by_hand.script(what)])


def _checked(pacs: Pacs, what: str) -> None:
    lab = pacs.demo.lab
    program = [sys.executable, "-m", "tests.bench.by_hand", what]
    subprocess.run(
        [*lab.enter_argv(), *program, "--lab", lab.name, "--host", pacs.host], cwd=ROOT, check=True
    )


def _wardship(pacs: Pacs, *arguments: str) -> None:
    done = pacs.wardship(*arguments)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} exited {done.returncode}: {done.stderr}")


def _gap(pacs: Pacs, act: Callable[[], None]) -> float:
    """How long a modality was not acknowledged while this was done, in seconds.

    Raises:
        RuntimeError: there was not exactly one gap: what was measured is not what is meant.
    """
    with TemporaryDirectory(prefix="wardship-bench-") as directory:
        manifest = Path(directory, "acknowledged.jsonl")
        argv = [
            *pacs.demo.lab.enter_argv(MODALITY_NAME), sys.executable, "-m",
            "orchestrator.lab.modality", *pacs.demo.modality_argv(pacs.host),
            "--manifest", str(manifest), "--interval", "0.1", "--seed", str(time.time_ns()),
        ]  # fmt: skip
        with subprocess.Popen(argv, cwd=ROOT) as process:
            try:
                wait_for("the first image", lambda: count(manifest))
                act()
                before = count(manifest)
                wait_for("an image afterwards", lambda: count(manifest) > before)
            finally:
                process.send_signal(signal.SIGTERM)
        gaps = [one.seconds for one in modality.read(manifest) if one.event == "gap-closed"]
    if len(gaps) != 1:
        raise RuntimeError(f"expected one gap, found {gaps}")
    return gaps[0]


if __name__ == "__main__":
    main()

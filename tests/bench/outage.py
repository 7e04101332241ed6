"""How long a clinic is out: changes and restores by wardship, and the same by hand, in turn.

On a real lab host, with a small archive and a large one. A modality sends all the while, every
tenth of a second; its gaps are the figures. By hand is a shell script that shuts the door, stops,
snapshots, switches, starts, waits until the archive answers and opens: no check, no proof, no
record, no way back after a power cut. What wardship's checks took is its own journal's word.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.lab import artifacts, modality
from orchestrator.lab.demo import Demo
from orchestrator.lab.hospital import Lab
from orchestrator.lab.model import DEFAULT_HOSTS, MODALITY_NAME
from orchestrator.lab.provision import install
from orchestrator.report.timeline import activities
from orchestrator.rollout.model import Record, State
from tests.bench.figures import RESULTS, ROOT, Taking, keep
from tests.lab.pacs import CACHE, LABS, Pacs, count, wait_for

HOST = "pacs-a"
OLD, NEW = "1.10.1", "1.12.7"
DATA_MIB = 16384
SHUT = """
nft add table inet byhand
nft add chain inet byhand in '{ type filter hook input priority -5; }'
nft add rule inet byhand in iifname != lo tcp dport '{ 4242, 8042 }' reject with tcp reset
systemctl stop orthanc.service postgresql@15-main.service
"""
START = """
systemctl start postgresql@15-main.service orthanc.service
until curl -s -o /dev/null http://127.0.0.1:8042/system && ss -Hltn sport = :4242 | grep -q .
do sleep 0.1; done
nft delete table inet byhand
"""
CHANGE = f"""set -e
{SHUT}
btrfs -q subvolume snapshot -r /data/live /data/byhand
sync --file-system /data
ln -sfn {NEW} /opt/orthanc/current
{START}"""
RESTORE = f"""set -e
{SHUT}
mv /data/live /data/byhand-failed
btrfs -q subvolume snapshot /data/byhand /data/live
sync --file-system /data
ln -sfn {OLD} /opt/orthanc/current
{START}"""
TIDY = "btrfs -q subvolume delete /data/byhand /data/byhand-failed"
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
                _round(pacs, f"{size / 1024:.0f} GiB" if size else "small", taking)
    finally:
        lab.down()
    keep(taking.result(), wanted.out)


def _archive(pacs: Pacs, mib: int) -> None:
    """The hospital as found, the next release beside its own, and so much more stored."""
    pacs.reset()
    install(pacs.run, artifacts.build(NEW, cache=CACHE, say=print))
    if mib:
        pacs.run(["sh", "-c", BALLAST.format(count=mib // 256)])


def _round(pacs: Pacs, size: str, taking: Taking) -> None:
    by_hand = _gap(pacs, lambda: _by_hand(pacs, CHANGE))
    taking.add(f"{size}, change: by hand", by_hand)
    back_by_hand = _gap(pacs, lambda: _by_hand(pacs, RESTORE))
    pacs.run(["sh", "-c", TIDY])
    plan = pacs.plan()
    gap = _gap(pacs, lambda: _wardship(pacs, "run", plan))
    checks = _seconds(pacs.the_record(), State.VERIFYING)
    _tell(taking, f"{size}, change", by_hand, gap, checks)
    taking.add(f"{size}, restore: by hand", back_by_hand)
    change = pacs.the_record().change_set.id
    gap = _gap(pacs, lambda: _wardship(pacs, "restore", change, "--reason", "bench"))
    checks = _seconds(pacs.the_record(), State.CONFIRMING)
    _tell(taking, f"{size}, restore", back_by_hand, gap, checks)


def _tell(taking: Taking, what: str, by_hand: float, gap: float, checks: float) -> None:
    taking.add(f"{what}: wardship", gap, beside=f"{what}: by hand")
    taking.add(f"{what}: of that, checks", checks)
    taking.add(f"{what}: overhead beyond both", gap - checks - by_hand)


def _seconds(record: Record, state: State) -> float:
    """What the last of these steps took."""
    (*_, last) = (one for one in activities(record.entries) if one.state == state)
    if last.seconds is None:
        raise RuntimeError(f"{state} has no end")
    return last.seconds


def _by_hand(pacs: Pacs, script: str) -> None:
    pacs.run(["sh", "-c", script])


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

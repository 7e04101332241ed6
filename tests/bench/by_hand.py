"""The same steps by hand: a shell script on the host, with or without production's checks.

A shell script shuts the door, stops, snapshots, switches, starts, waits until the archive answers
and opens: no proof, no record, no way back after a power cut. It ends connections at the door, else
now and then a stop would wait a minute for a peer that was cut off. With checks, a census is taken
before the stop, and the door opens only when the suites of the plan pass, as they must in a change.
"""

from __future__ import annotations

import argparse
import json
from functools import partial

from orchestrator import resources
from orchestrator.adapters.ssh import Done
from orchestrator.verify.model import CheckReport, Moment
from tests.molecule.restore import BASELINE, end_if
from tests.molecule.site import Site
from tests.molecule.verify import run_checks

OLD, NEW = "1.10.1", "1.12.7"
CENSUS = "census-before.json"
SHUT = """
nft add table inet byhand
nft add chain inet byhand in '{ type filter hook input priority -5; }'
nft add rule inet byhand in iifname != lo tcp dport '{ 4242, 8042 }' reject with tcp reset
ss -HtnK state established '( sport = :4242 or sport = :8042 ) and not dst 127.0.0.0/8' >/dev/null
"""
STOP = "systemctl stop orthanc.service postgresql@15-main.service\n"
START = """
systemctl start postgresql@15-main.service orthanc.service
until curl -s -o /dev/null http://127.0.0.1:8042/system && ss -Hltn sport = :4242 | grep -q .
do sleep 0.1; done
"""
OPEN = "nft delete table inet byhand\n"
SNAPSHOT = {
    "change": """
mkdir -p {kept}
btrfs -q subvolume snapshot -r /data/live {kept}/live
sync --file-system /data
""",
    "restore": """
mv /data/live {kept}/live.failed
btrfs -q subvolume snapshot {kept}/live /data/live
sync --file-system /data
""",
}
RELEASE = {"change": NEW, "restore": OLD}
MOMENTS: dict[str, Moment] = {"change": "applied", "restore": "restored"}
#: Where a snapshot is kept without checks; those look where a change keeps its own.
KEPT = "/data/byhand"
TIDY = """set -e
btrfs -q subvolume delete {kept}/live {kept}/live.failed
rmdir {kept}
"""


def script(what: str) -> str:
    """All of it at once, without checks."""
    return f"set -e\n{SHUT}{_switch(what, KEPT)}{OPEN}"


def tidy(kept: str = KEPT) -> str:
    """Remove what was kept."""
    return TIDY.format(kept=kept)


def _switch(what: str, kept: str) -> str:
    link = f"ln -sfn {RELEASE[what]} /opt/orthanc/current\n"
    return f"{STOP}{SNAPSHOT[what].format(kept=kept)}{link}{START}"


def prepare(site: Site) -> None:
    """What is done before a night: a plan, the release's files, a baseline to compare with."""
    site.create()
    change_set = site.change_set
    hosts = site.hosts()
    end_if(hosts.stage(change_set, epoch=hosts.free_epoch(change_set)))
    report, against = run_checks(site, change_set.anchor, "baseline", roles=resources.roles())
    end_if(against)
    (site.kept / BASELINE).write_text(report.model_dump_json())


def with_checks(site: Site, what: str) -> None:
    """The script in two halves, and production's checks between start and open."""
    run = partial(_run, site)
    baseline = CheckReport.model_validate_json((site.kept / BASELINE).read_text())
    run(f"set -e\n{SHUT}")
    if what == "change":
        reply = site.program.call(site.host, ["census", "--change", site.change_set.id])
        if not isinstance(reply, Done):
            raise RuntimeError(f"no census: {reply}")
        (site.kept / CENSUS).write_text(json.dumps(reply.data))
    kept = f"/data/.wardship/{site.change_set.id}"
    run(f"set -e\n{_switch(what, kept)}")
    _, against = run_checks(
        site, site.change_set.anchor, MOMENTS[what], roles=resources.roles(),
        baseline=baseline, census_before=(site.kept / CENSUS).read_text(),
    )  # fmt: skip
    end_if(against)
    run(OPEN)
    if what == "restore":
        run(tidy(kept))


def _run(site: Site, text: str) -> None:
    site.under.run(["sh", "-c", text])


def main() -> None:
    """``prepare``, ``change`` or ``restore``, in the controller's network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["prepare", *RELEASE])
    parser.add_argument("--lab", required=True)
    parser.add_argument("--host", required=True)
    wanted = parser.parse_args()
    site = Site(wanted.lab, wanted.host)
    if wanted.what == "prepare":
        prepare(site)
        return
    with_checks(site, wanted.what)


if __name__ == "__main__":
    main()

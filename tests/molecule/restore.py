"""The restore scenario: a change by production's phases, put back, and everything compared.

What the host was is looked at before anything is staged; its databases again after the baseline,
whose probe they count, though it is gone. Between apply and restore the new release
is used and abused; a restore that brings back less than everything is told by the name of what
differs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from orchestrator import resources
from orchestrator.errors import LabError
from orchestrator.rollout.model import HostPhase
from orchestrator.verify.model import CheckReport
from tests.molecule import state
from tests.molecule.site import Site
from tests.molecule.verify import run_checks

ON_HOST = Path(__file__).with_name("on_host.py")
EPOCH = 1
#: What is kept from step to step.
STATE, BASELINE = "state.json", "baseline.json"
#: By product, a release that leaves nothing alone, in what its role's ``state`` names.
ABUSE = {
    "orthanc": """set -e
chmod 0666 /etc/orthanc/orthanc.json
chown nobody: /etc/orthanc/credentials.json
echo '{"DicomModalities": {"STRANGE": ["STRANGE", "192.0.2.1", 104]}}' > /etc/orthanc/strange.json
rm /etc/orthanc/postgresql.json
echo '# abused' >> /etc/systemd/system/orthanc.service
find /data/live/orthanc -type f | sort | head -n 3 | xargs rm
touch /data/live/orthanc/strange
chmod 0711 /data/live
runuser -u postgres -- psql -Xqd orthanc -c 'delete from metadata' -c 'create table strange (a int)'
""",
    "gnuhealth": """set -e
chmod 0666 /etc/gnuhealth/trytond.conf
echo strange > /etc/gnuhealth/strange.conf
echo '# abused' >> /etc/systemd/system/gnuhealth.service
touch /data/live/gnuhealth/strange
chmod 0711 /data/live
runuser -u postgres -- psql -Xqd gnuhealth -c 'delete from gnuhealth_imaging_test_request' \\
    -c 'create table strange (a int)'
""",
}


def observed(site: Site) -> dict[str, str]:
    """The host's state now."""
    asked = site.lab.run(site.host, ["python3", "-"], stdin=ON_HOST.read_bytes(), timeout=120)
    found: dict[str, str] = json.loads(asked.output)
    return found


def remember(site: Site) -> None:
    """Keep what the host is, before anything is done."""
    (site.kept / STATE).write_text(json.dumps(observed(site)))


def change(site: Site) -> None:
    """Stage, baseline, quiesce, snapshot, apply: the new release runs, and leaves nothing alone."""
    change_set = site.change_set
    end_if(site.hosts().stage(change_set, epoch=EPOCH))
    report, against = run_checks(site, change_set.anchor, "baseline", roles=resources.roles())
    end_if(against)
    before = json.loads((site.kept / STATE).read_text())
    (site.kept / STATE).write_text(json.dumps(state.with_databases_of(before, observed(site))))
    (site.kept / BASELINE).write_text(report.model_dump_json())
    for phase in ("quiesce", "snapshot", "apply"):
        _phase(site, phase)
    if (runs := site.under.release()) != change_set.anchor.to_release:
        raise LabError(f"{runs} runs after apply: nothing would be put back", hint="")
    site.under.run(["sh", "-c", ABUSE[change_set.anchor.role]])


def put_back(site: Site) -> None:
    """Decide, restore, open."""
    decided = site.hosts().decide(site.change_set, "restore", epoch=EPOCH, because="a scenario")
    if decided.decision != "restore":
        raise LabError(f"not decided: {decided.because}", hint="")
    _phase(site, "restore")
    _phase(site, "open")


def compared(site: Site) -> list[str]:
    """Everything that is not as it was, but for what ``state.ALLOWED`` names."""
    before = json.loads((site.kept / STATE).read_text())
    against = state.differences(before, observed(site))
    baseline = CheckReport.model_validate_json((site.kept / BASELINE).read_text())
    host = site.change_set.anchor
    census = site.hosts().census_before(site.change_set, host)
    against += run_checks(
        site, host, "restored", roles=resources.roles(), baseline=baseline, census_before=census
    )[1]
    return [*against, *site.lost()]


def _phase(site: Site, phase: str) -> None:
    """A phase to its end, as a rollout waits for it."""
    (name,) = (one for one in get_args(HostPhase) if one == phase)
    hosts, change_set = site.hosts(), site.change_set
    report = hosts.phase(change_set, change_set.anchor, name, epoch=EPOCH)
    while report.state == "running":
        report = hosts.phase(change_set, change_set.anchor, name, epoch=EPOCH)
    if report.state != "succeeded":
        raise LabError(f"{phase}: {report.state}: {report.because}", hint=report.output)
    print(f"{phase}: {report.seconds} s")  # noqa: T201 - the scenario's output


def end_if(against: Sequence[str]) -> None:
    """End here, and say why, if anything speaks against going on."""
    if against:
        raise LabError("\n".join(against), hint="")

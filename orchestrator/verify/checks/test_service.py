"""The product runs, in the release that was ordered, where others look for it, with room."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import PurePosixPath

import pytest

from orchestrator.verify.model import CheckRequest
from orchestrator.verify.plugin import Record
from orchestrator.verify.site import Site

#: systemd's words for a unit that does what it should: also one that did it and is through.
STEADY = frozenset({"running", "exited", "listening", "mounted", "waiting"})
PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "NRestarts", "InvocationID", "UnitFileState",
)  # fmt: skip
#: systemd's words (systemctl(1), is-enabled) for a unit that nothing starts at boot.
NOT_AT_BOOT = frozenset({"", "disabled", "masked", "masked-runtime", "bad"})
MIB = 1 << 20

Units = dict[str, dict[str, str]]


def units(site: Site) -> Units:
    """What systemd says of each of the product's services."""
    asked = [f"--property={','.join(PROPERTIES)}", "--", *site.request.services]
    out = site.host.run("systemctl", "show", *asked)
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines()) for block in out.split("\n\n")
    ]
    return dict(zip(site.request.services, blocks, strict=True))


@pytest.fixture(scope="module")
def at_first(site: Site) -> Units:
    """The services before anything else was looked at."""
    return units(site)


@pytest.mark.usefixtures("at_first")
def test_release_runs(request_: CheckRequest, site: Site, record: Record) -> None:
    link = f"{request_.root}/current"
    target = site.host.run("readlink", "-f", link).strip()
    record.show(f"{link} → {target}")
    assert PurePosixPath(target).name == request_.release, (
        f"{link} leads to {target}, ordered is {request_.release}"
    )
    site.host.run("test", "-d", target)


def test_ports_listening(request_: CheckRequest, site: Site, record: Record) -> None:
    """Listening, and not on loopback only, where no modality could reach it."""
    open_to: dict[int, list[str]] = {port: [] for port in request_.ports}
    for line in site.host.run("ss", "-Hltn").splitlines():
        address, _, number = line.split()[3].rpartition(":")
        if int(number) in open_to:
            open_to[int(number)].append(address.partition("%")[0].strip("[]"))
    assert open_to, "no port is declared"
    for port, addresses in open_to.items():
        record.show(f"port {port}: {', '.join(addresses) or 'nothing'}")
        outside = [a for a in addresses if a == "*" or not ip_address(a).is_loopback]
        assert outside, f"nothing listens for others on port {port}"


def test_disk_free(request_: CheckRequest, site: Site, record: Record) -> None:
    assert request_.volumes, "no volume is declared"
    out = site.host.run("df", "-B1", "--output=avail,target", "--", *request_.volumes)
    lines = [line.split(maxsplit=1) for line in out.splitlines()[1:]]
    for volume, (free, _) in zip(request_.volumes, lines, strict=True):
        mib = int(free) // MIB
        record.show(f"{volume}: {mib} MiB free")
        assert mib >= request_.min_free_mib, (
            f"{volume} has {mib} MiB free, {request_.min_free_mib} MiB are needed"
        )


def test_service_active(
    request_: CheckRequest, site: Site, record: Record, at_first: Units
) -> None:
    """Active at the first look and at the last, in one piece; since its start never restarted."""
    assert request_.services, "no service is declared"
    found = units(site)
    record.measure(runs={name: now["InvocationID"] for name, now in found.items()})
    for name, now in found.items():
        before = at_first[name]
        record.show(f"{name}: {now['ActiveState']}, {now['SubState']}")
        active = now["ActiveState"] == "active" and now["SubState"] in STEADY
        assert active, f"{name} is {now['ActiveState']} ({now['SubState']})"
        same = all(now[key] == before[key] for key in ("ActiveState", "NRestarts", "InvocationID"))
        assert same, f"{name} went away or was started again while the checks ran"
        restarts = int(now.get("NRestarts") or 0)
        assert restarts == 0 or ran_before(site, name, now), (
            f"{name} has had to be restarted {restarts} times since it was started"
        )


def test_service_at_boot(
    request_: CheckRequest, site: Site, record: Record, at_first: Units
) -> None:
    """What the next power cut would show: who started by themselves before still do."""
    assert request_.services, "no service is declared"
    found = {name: now["UnitFileState"] for name, now in at_first.items()}
    record.measure(at_boot=dict(found))
    record.show(*(f"{name}: {state or 'no unit file'}" for name, state in found.items()))
    asleep = sorted(name for name, state in found.items() if state in NOT_AT_BOOT)
    if request_.moment == "baseline":
        if asleep:
            record.say(f"warning: not started at boot, as found: {', '.join(asleep)}")
        return
    before = site.baseline("service-at-boot").measures["at_boot"]
    assert isinstance(before, dict)
    lost = [name for name in asleep if before.get(name) not in NOT_AT_BOOT]
    assert not lost, f"not started at boot any more: {', '.join(lost)}"


def ran_before(site: Site, name: str, now: dict[str, str]) -> bool:
    """Whether this is the run of the service that the baseline saw: its past is not ours."""
    if site.request.moment == "baseline":
        return True
    runs = site.baseline("service-active").measures.get("runs")
    return isinstance(runs, dict) and runs.get(name) == now["InvocationID"]

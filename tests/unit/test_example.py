"""``inventories/example``: it holds, and is what its own comments say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from orchestrator.adapters.secrets import vault_names
from orchestrator.fleet.load import check
from orchestrator.fleet.model import Fleet

EXAMPLE = Path(__file__).parents[2] / "inventories" / "example"
#: RFC 1918 and RFC 5737: none of them leads anywhere from outside.
NOWHERE = [
    ip_network(net) for net in ("10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
]
NIGHT = re.compile(r"Its night, 22:00 to 05:00, is (?:(\d\d):00 to (\d\d):00|the same in) UTC")


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return check(EXAMPLE, vault_names=vault_names).fleet


def addresses(fleet: Fleet) -> Iterator[str]:
    for facility in fleet.facilities.values():
        for host in facility.hosts.values():
            yield host.address
            yield from (modality.address for modality in host.modalities)
            yield (fleet.ssh_of(host).jump or "").partition("@")[2]


def workstations(fleet: Fleet, facility: str) -> int:
    hosts = fleet.facilities[facility].hosts.values()
    return sum("_WS" in each.ae_title for host in hosts for each in host.modalities)


def test_it_is_five_hospitals_in_five_countries(fleet: Fleet) -> None:
    countries = sorted(facility.country for facility in fleet.facilities.values())
    assert countries == ["DJ", "MR", "MZ", "SZ", "ZA"]


def test_none_of_its_addresses_leads_anywhere(fleet: Fleet) -> None:
    found = {ip_address(address) for address in addresses(fleet)}
    assert len(found) > 90
    assert [each for each in found if not any(each in net for net in NOWHERE)] == []


def test_it_has_hospitals_of_3_to_40_workstations(fleet: Fleet) -> None:
    counts = sorted(workstations(fleet, name) for name in fleet.facilities)
    assert (counts[0], counts[-1]) == (3, 40)


def test_every_hospital_has_several_modalities(fleet: Fleet) -> None:
    for name, facility in fleet.facilities.items():
        known = sum(len(host.modalities) for host in facility.hosts.values())
        assert known - workstations(fleet, name) >= 2, name


def test_the_nights_that_it_tells_in_utc_are_right(fleet: Fleet) -> None:
    for name, facility in fleet.facilities.items():
        said = NIGHT.search((EXAMPLE / "facilities" / f"{name}.yml").read_text())
        assert said, name
        zone = ZoneInfo(facility.timezone)
        hours = [datetime(2027, 3, 1, hour, tzinfo=zone).astimezone(UTC).hour for hour in (22, 5)]
        told = [int(hour) for hour in said.groups()] if said[1] else [22, 5]
        assert told == hours, name

"""Fleets of any size, as files, and what their hosts would answer. All of it invented.

Every host differs from every other in what hospitals differ in: names, addresses, AE titles.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import JsonValue

from tests.builders import CONFIG, FLEET, MANDATE, write_files

HOSTS = 30
#: In how many ways the hosts' configurations become others, but for their own names.
KINDS = 7
_ZONES = {
    "SZ": "Africa/Mbabane",
    "DJ": "Africa/Djibouti",
    "MR": "Africa/Nouakchott",
    "MZ": "Africa/Maputo",
    "ZA": "Africa/Johannesburg",
}
_RELEASES = ("1.10.1", "1.12.7")
_CATALOG = """\
products:
  orthanc:
    role: orthanc
    releases:
      "1.10.1":
        artifact: {{file: orthanc-1.10.1.tar.gz, sha256: {}, size: 6}}
      "1.12.7":
        upgrades_from: ["1.10.1"]
        artifact: {{file: orthanc-1.12.7.tar.gz, sha256: {}, size: 6}}
"""
_HOST = """\
  pacs-{f}-{h}:
    address: {address}
    product: orthanc
    dicom: {{ae_title: P{f}X{h}, port: 4242}}
    web:
      port: 8042
      dicomweb: /dicom-web
      user: wardship
      password: {{env: WEB_PASSWORD}}
    modalities:
      - {{ae_title: CT{f}X{h}, address: 10.200.0.1, port: 104}}
      - {{ae_title: MR{f}X{h}, address: 10.200.0.2, port: 104}}
      - {{ae_title: US{f}X{h}, address: 10.200.0.3, port: 11112}}
    settings:
      orthanc_name: Archive {h} of hospital {f}
    secrets:
      orthanc_database_password: {{env: DATABASE_PASSWORD}}
"""
_DIFFERENCE = """\
--- /etc/orthanc/orthanc.json
+++ /var/lib/wardship/changes/files/orthanc/orthanc.json
@@ -1,12 +1,12 @@
 DicomAet = "P{f}X{h}"
-DicomServerEnabled = true
-Name = "pacs-{f}-{h}"
+Name = "pacs-{f}-{h} of {kind}"
-Plugins[0] = "/opt/orthanc/1.10.1/plugins/libOrthancDicomWeb.so"
+Plugins[0] = "/opt/orthanc/1.12.7/plugins/libOrthancDicomWeb.so"
-Plugins[1] = "/opt/orthanc/1.10.1/plugins/libOrthancPostgreSQLIndex.so"
+Plugins[1] = "/opt/orthanc/1.12.7/plugins/libOrthancPostgreSQLIndex.so"
 PostgreSQL.Password = ********
+PostgreSQL.IndexConnectionsCount = 5
 RemoteAccessAllowed = true
"""


def write_fleet(directory: Path, facilities: int) -> Path:
    """A fleet of so many facilities of ``HOSTS`` hosts."""
    hashes = (hashlib.sha256(release.encode()).hexdigest() for release in _RELEASES)
    files = {"fleet.yml": FLEET, "catalog.yml": _CATALOG.format(*hashes), "mandate.yml": MANDATE}
    files |= {f"depot/orthanc-{release}.tar.gz": release for release in _RELEASES}
    for number in range(facilities):
        files[f"facilities/hospital-{number}.yml"] = _facility(number)
    return write_files(directory, files)


def _facility(number: int) -> str:
    country, zone = list(_ZONES.items())[number % len(_ZONES)]
    hosts = "".join(
        _HOST.format(f=number, h=host, address=f"10.{number >> 8}.{number & 255}.{host + 1}")
        for host in range(HOSTS)
    )
    head = f"facility: hospital-{number}\ntitle: Hospital {number}\n"
    return f"{head}country: {country}\ntimezone: {zone}\nhosts:\n{hosts}"


def answer(host: str) -> dict[str, JsonValue]:
    """What a host's survey gives: the same healthy PACS everywhere, with the old release."""
    units = ("postgresql@15-main.service", "orthanc.service")
    survey: JsonValue = {
        "host": host,
        "product": "orthanc",
        "release": "1.10.1",
        "running": "1.10.1",
        "config_hash": CONFIG,
        "os": "Debian GNU/Linux 12 (bookworm)",
        "python": "3.11.2",
        "services": [{"name": one, "active": "active", "enabled": "enabled"} for one in units],
        "counts": {"studies": 40, "instances": 300},
    }
    volume: JsonValue = {
        "name": "live",
        "path": "/data/live",
        "filesystem": "btrfs",
        "is_subvolume": True,
        "size": 3 << 30,
        "free": 2 << 30,
    }
    places = ("/opt/orthanc", "/var/lib/wardship")
    space: JsonValue = [{"path": path, "free": 20 << 30} for path in places]
    return {"survey": survey, "volumes": [volume], "space": space, "problems": [], "peers": []}


def difference(host: str) -> str:
    """What staging would make another in a host's configuration."""
    _, facility, number = host.split("-")
    return _DIFFERENCE.format(f=facility, h=number, kind=int(number) % KINDS)

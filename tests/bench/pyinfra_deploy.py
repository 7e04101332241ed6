"""A release beside the old, its configuration, the switch: what ``tests/bench/controller.py`` runs.

A deploy file of pyinfra's, which executes it from top to bottom for each host.
"""

from pathlib import Path

from pyinfra.context import host
from pyinfra.operations import files, server, systemd

ARTIFACT = "/var/tmp/release.tar.gz"  # noqa: S108 - a lab host's
release = f"/opt/orthanc/{host.data.release}"

files.put(name="Bring the artifact", src=host.data.artifact, dest=ARTIFACT, mode="600")
files.directory(name="Make room beside the old release", path=release, mode="755")
server.shell(
    name="Unpack the release", commands=[f"tar -xz --no-same-owner -C {release} -f {ARTIFACT}"]
)
systemd.service(name="Stop the archive", service="orthanc.service", running=False)
for name in ("orthanc.json", "postgresql.json", "credentials.json"):
    files.put(
        name=f"Write {name}",
        src=str(Path(host.data.configuration, name)),
        dest=f"/etc/orthanc/{name}",
        user="root",
        group="orthanc",
        mode="640",
    )
files.link(name="Switch", path="/opt/orthanc/current", target=host.data.release)
systemd.service(name="Start the archive", service="orthanc.service", running=True)

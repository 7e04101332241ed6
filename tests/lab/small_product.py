"""A product as small as one can be, on a real lab host: one service, two releases, one volume.

It answers its release on port 8042, keeps a file of its volume open, and writes down at every start
what it found. Its scripts hang or fail when a file says so; files in /run are gone after a boot.
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.lab.guest import Run, put

SERVICE = "small.service"
UNIT = """[Unit]
After=network.target
[Service]
User=nobody
ExecStart=/usr/bin/python3 /opt/small/current/serve
[Install]
WantedBy=multi-user.target
"""
SERVE = """
import http.server, pathlib, socketserver
RELEASE = "{release}"
settings = pathlib.Path("/etc/small/settings").read_text().strip()
schema = pathlib.Path("/data/small/schema").read_text().strip()
boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
held = open("/data/small/starts", "a")
with open("/var/log/small/starts", "a") as starts:
    starts.write(f"{{boot}} {{RELEASE}} schema {{schema}} settings {{settings}}\\n")
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(RELEASE.encode())
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 8042), Answer).serve_forever()
"""
HANG = '[ ! -e "/run/hang-$WARDSHIP_PHASE-@name@" ] || { touch /run/hanging; sleep 600; }\n'
FAIL = '[ ! -e "/etc/fail-$WARDSHIP_PHASE-@name@" ] || { echo "told to fail" >&2; exit 1; }\n'
STOP = """systemctl stop small.service
[ -z "$WARDSHIP_CENSUS" ] || echo '{"studies": []}' > "$WARDSHIP_CENSUS"
"""
MIGRATE = """echo half > /data/small/schema
rm -f /data/small/objects/a
"""
START = """for i in $(seq 100); do
  [ "$(curl -s --max-time 1 http://127.0.0.1:8042/)" = "$WARDSHIP_RELEASE" ] && exit 0
  sleep 0.1
done
echo "release $WARDSHIP_RELEASE does not answer" >&2
exit 1
"""
SCRIPTS = {
    "stop": HANG + STOP,
    "migrate": MIGRATE + HANG + "echo 2 > /data/small/schema\n",
    "start": FAIL + "systemctl start small.service\n" + HANG + START,
    "census": """echo '{"studies": []}'\n""",
    "forget": "true\n",
}
SLOW = """#!/bin/sh
[ ! -e /run/hang-{name} ] || {{ touch /run/hanging; sleep 600; }}
exec /usr/bin/{name} "$@"
"""
#: Where its volume is unless it is said.
DATA = "/data/small"


def install(run: Run, data: str = DATA) -> None:
    """Release 1.0 runs; 2.0 lies beside it."""
    run(["btrfs", "subvolume", "create", data] if data == DATA else ["mkdir", data])
    put(run, f"{data}/schema", b"1\n")
    put(run, f"{data}/starts", b"")
    for name in ("a", "b"):
        put(run, f"{data}/objects/{name}", f"image {name}".encode())
    run(["chown", "-R", "nobody:", data])
    run(["install", "-d", "-o", "nobody", "/var/log/small"])
    for release in ("1.0", "2.0"):
        serve = SERVE.format(release=release).replace(DATA, data)
        put(run, f"/opt/small/{release}/serve", serve.encode())
    run(["ln", "-sfn", "1.0", "/opt/small/current"])
    put(run, "/etc/small/settings", b"old\n", mode=0o640, owner="root:nogroup")
    attribute = 'import os; os.setxattr("/etc/small/settings", "user.site", b"B")'
    run(["python3", "-c", attribute])
    put(run, f"/etc/systemd/system/{SERVICE}", UNIT.encode())
    for name in ("btrfs", "sync"):
        put(run, f"/usr/local/sbin/{name}", SLOW.format(name=name).encode(), mode=0o755)
    run(["systemctl", "enable", SERVICE])
    run(["systemctl", "start", SERVICE])  # no more than said where no system runs


def stage(run: Run, change: str, data: str = DATA) -> None:
    """What a role would lay down."""
    directory = f"/var/lib/wardship/changes/{change}"
    run(["install", "-d", "-m", "0700", "/var/lib/wardship", directory])
    for name, script in scripts(data).items():
        put(run, f"{directory}/scripts/{name}", script.encode(), mode=0o700)
    put(run, f"{directory}/files/small/settings", b"new\n", mode=0o600)


def scripts(data: str = DATA) -> dict[str, str]:
    """The role's scripts by name."""
    return {
        name: f"#!/bin/sh -e\n{text.replace('@name@', name).replace(DATA, data)}"
        for name, text in SCRIPTS.items()
    }


def manifest(change: str, data: str = DATA, **limits: int) -> dict[str, Any]:
    """The change of it. A volume elsewhere than ``DATA`` is copied."""
    seconds = {"quiesce": 60, "snapshot": 60, "apply": 60, "restore": 60, "open": 60, **limits}
    return {
        "schema": 1,
        "change_set": change,
        "facility": "hospital-b",
        "host": "pacs-b",
        "product": "small",
        "from_release": "1.0",
        "to_release": "2.0",
        "switch": {"kind": "rename", "root": "/opt/small"},
        "install": [{"staged": "files/small", "target": "/etc/small"}],
        "services": [SERVICE],
        "provider": "btrfs" if data == DATA else "copy",
        "volumes": [{"name": "small", "path": data, "class": "index", "objects": ["objects"]}],
        "paths": ["/etc/small", f"/etc/systemd/system/{SERVICE}", "/opt/small/current"],
        "door": {"tcp": [8042], "verifier_uid": 0},
        "limits": seconds,
        "settings": {},
    }


def as_json(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()

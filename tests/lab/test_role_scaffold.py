"""docs/roles.md, done on a real host: a role is begun, refused, written, and brings a release.

The code that an author writes is taken from that page.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import yaml

from orchestrator import resources
from orchestrator.lab.guest import put
from orchestrator.lab.model import DEFAULT_HOSTS
from tests.lab.controlled import CHECKOUT, LONG
from tests.lab.pacs import Pacs

PROGRAM = """
import sys
from pathlib import Path
from orchestrator import resources
roles = Path(sys.argv.pop(1))
resources.roles = lambda: roles
from orchestrator.cli.app import main
main()
"""
UNIT = """[Unit]
After=network.target
[Service]
User=nobody
ExecStart=/usr/bin/python3 /opt/small/current/serve
[Install]
WantedBy=multi-user.target
"""
SERVE = """
import http.server, socketserver
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{release}")
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", 8050), Answer).serve_forever()
"""
BROKEN = "raise SystemExit('no licence')\n"
RELEASES = {"1.0": SERVE.format(release="1.0"), "2.0": SERVE.format(release="2.0"), "3.0": BROKEN}


class Author:
    """Somebody who follows the page: roles and a fleet of their own, on the lab's host."""

    def __init__(self, pacs: Pacs, directory: Path) -> None:
        self.pacs, self.roles, self.fleet = pacs, directory / "roles", directory / "fleet"
        shutil.copytree(resources.roles(), self.roles)
        (self.fleet / "facilities").mkdir(parents=True)
        (self.fleet / "depot").mkdir()
        for name in ("id_ed25519", "known_hosts"):
            shutil.copy2(pacs.fleet / name, self.fleet / name)
        self._write("fleet.yml", {"fleet": "author", "ssh": {"user": "root", "key": "id_ed25519"},
                                  "verify": {"patience_seconds": 5}})  # fmt: skip
        releases = {name: self._release(name, text) for name, text in RELEASES.items()}
        releases["2.0"]["upgrades_from"] = ["1.0"]
        releases["3.0"]["upgrades_from"] = ["2.0"]
        self._write("catalog.yml", {"products": {"small": {"role": "small", "releases": releases}}})
        address = next(str(spec.address) for spec in DEFAULT_HOSTS if spec.name == pacs.host)
        settings = {"small_settings": {"name": "as found"}, "small_start_seconds": 5}
        host = {"address": address, "product": "small", "web": {"port": 8050}, "settings": settings}
        facility = {"facility": pacs.facility, "country": "MZ", "timezone": "Africa/Maputo",
                    "hosts": {pacs.host: host}}  # fmt: skip
        self._write(f"facilities/{pacs.facility}.yml", facility)

    def _write(self, name: str, content: object) -> None:
        (self.fleet / name).write_text(yaml.safe_dump(content))

    def _release(self, name: str, text: str) -> dict[str, object]:
        path = self.fleet / "depot" / f"small-{name}.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("serve")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        content = path.read_bytes()
        size = len(content)
        digest = sha256(content).hexdigest()
        return {"artifact": {"file": path.name, "sha256": digest, "size": size}}

    def order(self, release: str) -> None:
        """Mandate a release."""
        order = {"product": "small", "release": release}
        self._write("mandate.yml", {"mandate": f"small runs {release}", "orders": [order]})

    def wardship(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the author's roles."""
        argv = [sys.executable, "-c", PROGRAM, str(self.roles), "--fleet", str(self.fleet)]
        return subprocess.run(
            [*self.pacs.demo.lab.enter_argv(), *argv, *arguments],
            cwd=CHECKOUT, capture_output=True, text=True, timeout=LONG, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def plan(self) -> str:
        """Plan; gives the digest that ``run`` takes."""
        done = self.wardship("plan", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return str(json.loads(done.stdout)["digest"])[:12]

    def install(self) -> None:
        """The host as found: 1.0 runs, two objects are stored."""
        run = self.pacs.run
        run(["btrfs", "subvolume", "create", "/data/small"])
        for uid in ("2.25.11", "2.25.12"):
            put(run, f"/data/small/objects/{uid}", f"object {uid}".encode())
        put(run, "/opt/small/1.0/serve", RELEASES["1.0"].encode())
        run(["ln", "-s", "1.0", "/opt/small/current"])
        put(run, "/etc/small/settings.json", b'{"name": "as found"}\n')
        put(run, "/etc/systemd/system/small.service", UNIT.encode())
        run(["systemctl", "enable", "--now", "small.service"])

    def follow_the_page(self) -> None:
        """Write what docs/roles.md says an author writes."""
        page = (CHECKOUT / "docs" / "roles.md").read_text()
        parts = re.findall(r"```python\n# (\S+)\n(.*?)```", page, re.DOTALL)
        assert {path for path, _ in parts} == {
            "module_utils/small_product.py",
            "checks/test_small.py",
        }
        for path, text in parts:
            (self.roles / "small" / path).write_text(text)

    def serves(self) -> str:
        """The release that answers on the host."""
        ask = ["curl", "--silent", "--show-error", "--max-time", "5", "http://127.0.0.1:8050/"]
        return self.pacs.run(ask).decode()


def test_a_role_is_begun_refused_written_and_brings_a_release_or_puts_back(
    pacs: Pacs, tmp_path: Path
) -> None:
    author = Author(pacs, tmp_path)
    author.install()
    begun = author.wardship("role", "new", "small", "--kind", "viewer")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    author.order("2.0")

    refused = author.wardship("plan")
    assert refused.returncode == 30, refused.stdout + refused.stderr
    for part in ("running", "counts", "stored", "writes_to", "under_way", "migrate", "forget"):
        assert f"{part} is not written: say " in refused.stdout, refused.stdout
    assert not list(author.fleet.glob(".wardship/plans/*"))

    author.follow_the_page()
    checked = author.wardship("role", "check", str(author.roles / "small"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "not written" not in checked.stdout

    done = author.wardship("run", author.plan())
    assert done.returncode == 0, done.stdout + done.stderr
    assert author.serves() == "2.0"

    author.order("3.0")
    done = author.wardship("run", author.plan())
    assert done.returncode == 40, done.stdout + done.stderr
    assert "release 3.0 does not answer" in done.stdout + done.stderr
    assert author.serves() == "2.0"
    stored = pacs.run(["sh", "-c", "cd /data/small/objects; sha256sum *"]).decode()
    assert len(stored.splitlines()) == 2
    assert pacs.host_says()["door"] == "open"

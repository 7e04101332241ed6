"""prepare: the manifest of a change written down, and the units that look after it at boot."""

from __future__ import annotations

import json
from typing import Any, Dict, Optional

from . import change as changes
from . import epoch, hold, records, watch, word
from .host import Host
from .manifest import Manifest, parse
from .outcome import FailedError, RefusedError
from .settle import settle

BOOT = """[Unit]
Description=wardship: put back a change that was cut off
Documentation=file:/var/lib/wardship
After=local-fs.target wardship-door.service

[Service]
Type=exec
ExecStart={program} boot
Restart=on-failure
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
DOOR = """[Unit]
Description=wardship: the door stays shut over a boot
DefaultDependencies=no
RequiresMountsFor=/var/lib/wardship
After=nftables.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} door

[Install]
WantedBy=sysinit.target
"""
FIREWALL = """# nftables.service flushes every table when it is started or reloaded.
[Service]
ExecStartPost=-{program} door
ExecReload=-{program} door
"""
UNITS = {
    "wardship-boot.service": BOOT,
    "wardship-door.service": DOOR,
    "nftables.service.d/50-wardship-door.conf": FIREWALL,
}
ENABLED = ("wardship-boot.service", "wardship-door.service")


def prepare(host: Host, text: str, *, at: int, caller: "Optional[str]" = None) -> Dict[str, Any]:
    """Take a change in; the same manifest again is no change.

    ``caller``: the uid that came by sudo. Its ssh session carries the verifier's traffic, whatever
    the controller believes that uid to be.

    Raises:
        RefusedError: the manifest is wrong, or a change is under way.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise RefusedError("manifest", f"it is not JSON: {error}") from None
    key = document.pop("key", None) if isinstance(document, dict) else None
    manifest = parse(document)
    if manifest.together is not None and not word.is_key(key):
        raise RefusedError("manifest", "hosts that change together need a key of 64 hex digits")
    if caller is not None and caller.isdigit():
        document["door"]["verifier_uid"] = int(caller)
    with epoch.admitted(host, at):
        busy = changes.unfinished(host)
        if busy is not None:
            raise RefusedError("locked", f"change {busy.id} is not finished")
        if _write(host, document) and key is not None:
            host.disk.write(host.layout.change(manifest.change_set).key, f"{key}\n".encode())
        _install_units(host)
        _settle(host, manifest)
        watch.answer(changes.load(host, manifest.change_set))
    return {
        "prepared": manifest.change_set,
        "directory": str(host.layout.change(manifest.change_set).directory),
        "epoch": epoch.current(host),
    }


def _write(host: Host, document: Dict[str, Any]) -> bool:
    """Write the manifest, unless the change has begun with this one; whether it was written."""
    paths = host.layout.change(document["change_set"])
    known = changes.everything(host)
    this = next((change for change in known if change.paths.directory == paths.directory), None)
    if this is not None and changes.own_facts(this).has_begun:
        if records.read(paths.manifest) != document:
            raise RefusedError("order", f"change {this.id} has begun with another manifest")
        return False
    for directory in (paths.scripts, paths.files, paths.phases):
        host.disk.make_dir(directory)
    sequence = 1 + max((change.sequence for change in known), default=0)
    records.write(host.disk, paths.prepared, {"sequence": sequence, "at": host.stamp()})
    records.write(host.disk, paths.manifest, document)
    return True


def _install_units(host: Host) -> None:
    """Raises FailedError when systemd does not take them: without them no boot looks after us."""
    for name, text in UNITS.items():
        path = host.layout.units / name
        wanted = text.format(program=host.system.program).encode()
        if not path.exists() or path.read_bytes() != wanted:
            host.disk.make_dir(path.parent, mode=0o755)
            host.disk.write(path, wanted, mode=0o644)
    hold.reload(host)
    ran = host.system.run(["systemctl", "--quiet", "enable", "--", *ENABLED])
    if ran.code != 0:
        raise FailedError(f"systemd did not enable the boot units: {ran.reason}")


def _settle(host: Host, manifest: Manifest) -> None:
    """Scripts, files, the new release, this program, its units: staged just now, not synced."""
    releases = [manifest.switch_root] if manifest.switch_root is not None else []
    ours = [host.layout.changes, host.layout.units]
    settle(host.system, [*ours, *map(host.system.at, [host.system.program, *releases])])

#!/usr/bin/python
"""What speaks against a change on any host: the facility's own hold, and who is connected now.

Changes nothing. The hold is a file that anybody with the right to write it may lay down; its first
line is the reason.
"""

from __future__ import annotations

import pwd
from datetime import datetime, timezone
from ipaddress import ip_address
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: wardship_gates
short_description: The facility's hold, and connections to the product's ports
description: [Returns C(wardship.hold) and C(wardship.peers).]
options:
  ports: {type: list, elements: int, required: true, description: [The product's TCP ports.]}
author: [wardship]
"""

HOLD = "/etc/wardship/hold"
ESTABLISHED = "01"
LONGEST = 200


def hold(path=HOLD):
    """The facility's hold; None if there is none. A file without a word holds all the same."""
    place = Path(path)
    try:
        found = place.stat()
        text = place.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    first = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = str(found.st_uid)
    since = datetime.fromtimestamp(found.st_mtime, timezone.utc).isoformat()
    return {"because": first[:LONGEST], "since": since, "by": owner}


def peers(ports, tables=("/proc/net/tcp", "/proc/net/tcp6")):
    """Addresses of other machines with a connection to one of the ports (proc_net_tcp(5))."""
    found = set()
    for table in map(Path, tables):
        if not table.exists():
            continue
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            _, local, remote, state = line.split()[:4]
            address = _address(remote.rsplit(":", 1)[0])
            is_ours = int(local.rsplit(":", 1)[1], 16) in ports
            if is_ours and state == ESTABLISHED and not address.is_loopback:
                found.add(str(address))
    return sorted(found)


def _address(text):
    """The kernel writes an address as words in its own byte order (little endian)."""
    raw = b"".join(bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8))
    address = ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"ports": {"type": "list", "elements": "int", "required": True}},
        supports_check_mode=True,
    )
    try:
        found = {"hold": hold(), "peers": peers(module.params["ports"])}
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"what speaks against a change could not be learned: {error}")
    module.exit_json(changed=False, wardship=found)


if __name__ == "__main__":
    main()

"""The bridge's units on a host: as the installed settings want them, and no others.

Standard library only, Python 3.9. They are bound to GNU Health's own unit, so that the hold on that
holds them too; a restore puts their files back, or away.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

try:
    from ansible.module_utils.gnuhealth_host import stop as stop_unit
except ImportError:  # beside the host scripts
    from gnuhealth_host import stop as stop_unit

SETTINGS = Path("/etc/gnuhealth-bridge")
UNITS = Path("/etc/systemd/system")
WANTED_BY = UNITS / "gnuhealth.service.wants"
PROGRAM = Path("/opt/gnuhealth-bridge")
#: In the order in which they are started.
SERVICES = ("gnuhealth-bridge.service", "gnuhealth-worklist.service")
#: What is there only where a bridge is.
PATHS = (SETTINGS, PROGRAM, *(UNITS / name for name in SERVICES), WANTED_BY)


def brings(ports):
    """Those of the declared ports that the installed settings do not serve yet; 0 is none."""
    try:
        told = json.loads((SETTINGS / "settings.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        told = {}
    served = {"hl7": (told.get("hl7") or {}).get("port", 0)}
    # The worklist's server has its port in its unit.
    unit = SETTINGS / SERVICES[1]
    text = unit.read_text(encoding="utf-8") if unit.exists() else ""
    served["dicom"] = next((int(n) for n in re.findall(r"(?m)^ExecStart=.* (\d+)$", text)), 0)
    return sorted(port for name, port in ports.items() if port and port != served[name])


def put(wanted):
    """Have systemd know the units that are wanted; those that are not are taken away."""
    for name in SERVICES:
        unit, link = UNITS / name, WANTED_BY / name
        if link.is_symlink():
            link.unlink()
        if name not in wanted:
            for left in (unit, SETTINGS / name):
                if left.exists():
                    left.unlink()
            continue
        unit.write_text((SETTINGS / name).read_text(encoding="utf-8"), encoding="utf-8")
        unit.chmod(0o644)
        WANTED_BY.mkdir(mode=0o755, exist_ok=True)
        link.symlink_to(unit)


def stop():
    """Stop them, and prove it."""
    for name in reversed(SERVICES):
        stop_unit(name)

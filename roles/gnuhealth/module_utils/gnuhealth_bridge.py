"""The bridge's units on a host: as the installed settings want them, and no others.

Standard library only, Python 3.9. They are bound to GNU Health's own unit, so that the hold on that
holds them too; a restore puts their files back, or away.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

try:
    from ansible.module_utils.gnuhealth_host import stop as stop_unit
except ImportError:  # beside the host scripts
    from gnuhealth_host import stop as stop_unit

SETTINGS = Path("/etc/gnuhealth-bridge")
UNITS = Path("/etc/systemd/system")
WANTED_BY = UNITS / "gnuhealth.service.wants"
PROGRAM = Path("/opt/gnuhealth-bridge")
STATE = Path("/var/lib/gnuhealth-bridge")
#: In the order in which they are started.
SERVICES = ("gnuhealth-bridge.service", "gnuhealth-worklist.service")
#: What is there only where a bridge is.
PATHS = (SETTINGS, PROGRAM, *(UNITS / name for name in SERVICES), WANTED_BY)


def served():
    """The ports that the installed bridge serves: hl7 and dicom, 0 for none."""
    try:
        told = json.loads((SETTINGS / "settings.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        told = {}
    # The worklist's server has its port in its unit.
    unit = SETTINGS / SERVICES[1]
    text = unit.read_text(encoding="utf-8") if unit.exists() else ""
    found = re.findall(r"(?m)^ExecStart=.* (\d+)$", text)
    return {"hl7": (told.get("hl7") or {}).get("port", 0), "dicom": int(found[0]) if found else 0}


def brings(ports):
    """Those of the declared ports that nothing serves yet; 0 is none."""
    there = served()
    return sorted(port for name, port in ports.items() if port and not there[name])


def moved(ports):
    """Ports that are another there: a change's door would not shut those that it does not know."""
    for name, port in served().items():
        if port and ports[name] and port != ports[name]:
            yield (
                f"the bridge serves {name} at port {port}, and {ports[name]} is declared: "
                "declare none first, then the new one"
            )


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


def forget_left_over():
    """Without a worklist no list of patients stays behind."""
    if not (UNITS / SERVICES[1]).exists() and STATE.exists():
        shutil.rmtree(STATE)


def stop():
    """Stop them, and prove it."""
    for name in reversed(SERVICES):
        stop_unit(name)

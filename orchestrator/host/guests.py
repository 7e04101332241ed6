"""Who is connected to the product from other machines. Decides nothing.

``ss -K`` asks the kernel to end a connection with a reset to both sides (ss(8); Linux with
CONFIG_INET_DIAG_DESTROY, which Debian's has); an older one leaves it as it is.
"""

from __future__ import annotations

from typing import List, Optional, Sequence

from .system import System

LIST = ["ss", "-Htn"]
KILL = ["ss", "-HtnK"]


def connected(system: System, ports: Sequence[int]) -> Optional[List[str]]:
    """Their addresses and ports; None where that is not known."""
    ran = system.run([*LIST, *_filter(ports)], timeout=10)
    if ran.code != 0:
        return None
    return [line.split()[-1] for line in ran.out.splitlines() if line.strip()]


def end(system: System, ports: Sequence[int]) -> None:
    """End their connections, as far as the kernel can."""
    system.run([*KILL, *_filter(ports)], timeout=10)


def listens(system: System, ports: Sequence[int]) -> bool:
    """Whether somebody listens on every one of these ports."""
    ran = system.run(["ss", "-Hltn"], timeout=10)
    found = {line.split()[3].rpartition(":")[2] for line in ran.out.splitlines() if line.strip()}
    return ran.code == 0 and {str(port) for port in ports} <= found


def _filter(ports: Sequence[int]) -> List[str]:
    these = " or ".join(f"sport = :{port}" for port in ports)
    return ["state", "established", f"( {these} ) and not dst 127.0.0.0/8 and not dst [::1]"]

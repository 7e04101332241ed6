"""Whether a host is exactly what it was. Decides what may differ after a restore; nothing else may.

Both sides are what ``on_host`` saw: a text a name, of files, database rows, units, ports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from orchestrator.fleet.model import Model

#: How the names of what databases hold begin.
DATABASES = ("row ", "schema ")
#: How many lines are told; the rest is counted.
MOST = 40


class Allowed(Model):
    """What may differ: names that match ``names`` as a whole, and why."""

    names: str
    why: str
    how: Literal["any", "added"] = "any"


ALLOWED: tuple[Allowed, ...] = (
    Allowed(names=r"file /var/log/.*", why="logs and the journal tell what happened"),
    Allowed(names=r"unit file session-\d+\.scope", why="who is logged in at that moment"),
    Allowed(
        names=r"file (/var/lib/wardship|/usr/local/lib/wardship|/data/\.wardship)(/.*)?",
        how="added",
        why="the host program, its records and the failed state, kept on purpose",
    ),
    Allowed(
        names=r"file /etc/systemd/system/(\S+\.wants/)?wardship-(boot|door)\.service"
        r"|file /etc/systemd/system/nftables\.service\.d(/50-wardship-door\.conf)?"
        r"|unit (file )?wardship-(boot|door)\.service|unit nftables\.service",
        how="added",
        why="what undoes a change that a boot finds undecided, and shuts its door",
    ),
    Allowed(
        names=r"file /opt/(orthanc/1\.12\.7|gnuhealth/5\.0\.6)(/.*)?",
        how="added",
        why="the staged release, until cleanup",
    ),
    Allowed(names=r"file /root/\.ansible(/tmp)?", how="added", why="Ansible's scratch directory"),
    Allowed(
        names=r"file /etc/(group|gshadow|passwd|shadow)-?",
        why="the account of what runs beside a product, which stage makes; accounts are not unmade",
    ),
)


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """What is not as it was, each in one line; a side on which nothing was seen is no equality."""
    if not before or not after:
        return ["nothing was seen of the host: that is no equality"]
    names = sorted({*before, *after})
    told = [
        _told(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name) and not _is_allowed(name, before)
    ]
    more = len(told) - MOST
    return [*told[:MOST], *([f"and {more} more"] if more > 0 else [])]


def with_databases_of(before: Mapping[str, str], later: Mapping[str, str]) -> dict[str, str]:
    """``before``, but for its databases, which are as ``later`` has them."""
    kept = {name: text for name, text in before.items() if not name.startswith(DATABASES)}
    return kept | {name: text for name, text in later.items() if name.startswith(DATABASES)}


def _is_allowed(name: str, before: Mapping[str, str]) -> bool:
    return any(
        re.fullmatch(one.names, name, re.DOTALL) and (one.how == "any" or name not in before)
        for one in ALLOWED
    )


def _told(name: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"{name}: was not there, now {after!r}"
    if after is None:
        return f"{name}: was {before!r}, is gone"
    return f"{name}: was {before!r}, now {after!r}"

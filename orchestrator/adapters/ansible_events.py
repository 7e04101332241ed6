"""Reads ansible-runner's events: per host the first failure, our modules' findings, differences.

Decides nothing about success; that is ``ansible``'s, from the statistics. Refuses to pass on what a
module was called with, its output or a traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Longest message that an outcome carries, in characters.
LONGEST = 2000


@dataclass
class Counts:
    """Ansible's own statistics of one host: numbers of tasks."""

    changed: int = 0
    failures: int = 0
    dark: int = 0
    ignored: int = 0
    rescued: int = 0

    def wrong(self) -> str:
        """What there is in them that must be zero, in words; empty if nothing."""
        named = {
            "failed": self.failures, "unreachable": self.dark,
            "ignored": self.ignored, "rescued": self.rescued,
        }  # fmt: skip
        return ", ".join(f"{count} {name}" for name, count in named.items() if count)


@dataclass
class Seen:
    """What the events said about one host. ``task`` is the one that failed."""

    task: str = ""
    failure: str = ""
    unreachable: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    differences: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Collected:
    """A run. ``because``: why no host was reached; ``stopped``: why it did not end by itself."""

    hosts: dict[str, Seen] = field(default_factory=dict)
    stats: dict[str, Counts] = field(default_factory=dict)
    because: str = ""
    stopped: str = ""


def collect(event: Mapping[str, Any], into: Collected) -> bool:
    """Take one event in. False, so that ansible-runner does not write it to disk."""
    kind = event.get("event", "")
    body = event.get("event_data") or {}
    if kind == "playbook_on_stats":
        _statistics(body, into)
    elif kind == "playbook_on_no_hosts_matched":
        into.because = "no host of the inventory matched"
    elif kind in {"runner_on_ok", "runner_on_failed", "runner_on_unreachable"}:
        _result(kind, body, into.hosts.setdefault(str(body.get("host")), Seen()))
    return False


def _statistics(body: Mapping[str, Any], into: Collected) -> None:
    for host in body.get("processed") or {}:
        counts = {name: int((body.get(name) or {}).get(host, 0)) for name in Counts.__annotations__}
        into.stats[host] = Counts(**counts)


def _result(kind: str, body: Mapping[str, Any], seen: Seen) -> None:
    result = body.get("res") or {}
    for each in (result, *_items(result)):
        _join(seen.data, each.get("wardship"))
        seen.differences.extend(differences(each.get("diff")))
    if kind == "runner_on_failed" and not body.get("ignore_errors") and not seen.failure:
        seen.task = _task(body)
        seen.failure = reason(result)
    if kind == "runner_on_unreachable" and not seen.unreachable:
        seen.task = _task(body)
        seen.unreachable = reason(result)


def _join(into: dict[str, Any], found: Any) -> None:
    """Several tasks may add to one finding: lists and mappings grow, anything else is replaced."""
    for name, value in (found or {}).items():
        if isinstance(value, list) and isinstance(into.get(name), list):
            into[name] = [*into[name], *value]
        elif isinstance(value, dict) and isinstance(into.get(name), dict):
            into[name] = {**into[name], **value}
        else:
            into[name] = value


def _task(body: Mapping[str, Any]) -> str:
    role, task = body.get("role"), body.get("task") or body.get("task_action") or "?"
    return f"{role}: {task}" if role else str(task)


def _items(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [item for item in result.get("results") or () if isinstance(item, Mapping)]


def reason(result: Mapping[str, Any]) -> str:
    """Why a task failed: its own message, or those of its items; never a traceback."""
    if failed := [item for item in _items(result) if item.get("failed")]:
        return "; ".join(dict.fromkeys(reason(item) for item in failed))[:LONGEST]
    if errors := result.get("argument_errors"):
        return "; ".join(str(error) for error in errors)[:LONGEST]
    message = str(result.get("msg") or "").strip()
    if "MODULE FAILURE" in message or not message:
        lines = str(result.get("module_stderr") or result.get("module_stdout") or "").strip()
        message = lines.splitlines()[-1] if lines else message or "it gave no reason"
    return message[:LONGEST]


def differences(diff: Any) -> Iterator[tuple[str, str]]:
    """``(path, unified text)`` of every shape that modules give a difference in."""
    if isinstance(diff, list):
        for each in diff:
            yield from differences(each)
    if not isinstance(diff, Mapping):
        return
    path = str(diff.get("after_header") or diff.get("before_header") or "")
    if prepared := diff.get("prepared"):
        yield path, str(prepared)
    elif "before" in diff or "after" in diff:
        before, after = _lines(diff.get("before")), _lines(diff.get("after"))
        if text := "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm="")):
            yield path or _path_of(diff), text


def _lines(side: Any) -> list[str]:
    if isinstance(side, Mapping):
        return [f"{name}: {value}" for name, value in sorted(side.items())]
    return str(side or "").splitlines()


def _path_of(diff: Mapping[str, Any]) -> str:
    for side in (diff.get("after"), diff.get("before")):
        if isinstance(side, Mapping) and "path" in side:
            return str(side["path"])
    return ""


def stray_output(private: Path) -> str:
    """What ansible-playbook itself complained of (a broken playbook, no such role), or nothing."""
    for name in ("stdout", "stderr"):
        for path in sorted(private.glob(f"artifacts/*/{name}")):
            text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", path.read_text(errors="replace"))
            if found := re.search(
                r"^(?:\[ERROR\]|ERROR!|\[WARNING\]: Could not)\S*\s*(.*)$", text, re.M
            ):
                return found[1].strip()[:LONGEST]
    return ""

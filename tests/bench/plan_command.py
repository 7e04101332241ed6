"""``wardship plan`` with hosts that answer at once: what the controller itself takes.

Everything runs as it does in production but Ansible and ssh: what they would bring back is given at
once. Prints the processor seconds of each stage, and the process's own peak in MiB, as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.adapters import ansible, ssh
from orchestrator.adapters.ansible import Difference, HostOutcome
from orchestrator.cli import context, plan
from orchestrator.cli.app import execute
from orchestrator.plan.store import find
from orchestrator.survey.model import ClockSurvey
from orchestrator.wiring import preview as predicting
from tests.bench.fleets import answer, difference
from tests.bench.process import own_peak

#: What is timed: by stage, the module and the name that it has there.
STAGES = {
    "read the fleet": (context, "load"),
    "surveys and inventories": (plan, "look"),
    "make the plan, twice": (plan, "make_plan"),
    "predictions and inventories": (predicting, "predict"),
    "preview": (plan, "preview"),
    "save": (plan, "save"),
}


def main(directory: Path) -> None:
    """Plan for this fleet, then read the plan again as ``wardship run`` does."""
    spent: dict[str, float] = {}
    _answer_at_once()
    for stage, (module, name) in STAGES.items():
        setattr(module, name, _timed(getattr(module, name), stage, spent))
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = execute(["--fleet", str(directory), "plan"])
    if code != 0:
        sys.exit(f"plan exited {code}: {said.getvalue()[-2000:]}")
    kept = next((directory / ".wardship" / "plans").glob("*.json"))
    again = _timed(find, "read it again", spent)(directory / ".wardship", kept.stem)
    hosts = sum(len(one.hosts) for one in again.change_sets)
    told = {"stages": spent, "peak": own_peak(), "hosts": hosts, "bytes": kept.stat().st_size}
    sys.stdout.write(f"\n{json.dumps(told)}\n")
    sys.stdout.flush()
    # Giving back a gigabyte of small objects one by one is no part of the command.
    os._exit(0)


def _answer_at_once() -> None:
    def run(_: object, verb: str, *, hosts: Sequence[str], **__: object) -> dict[str, HostOutcome]:
        if verb == "survey":
            found = {one: HostOutcome(host=one, status="done", data=answer(one)) for one in hosts}
        else:
            found = {one: _predicted(one) for one in hosts}
        return found

    def clock(*_: object, **__: object) -> ClockSurvey:
        return ClockSurvey(offset=0.1, give_or_take=0.05)

    for of, name, stand_in in (
        (ansible.AnsibleRunner, "run", run),
        (ssh.HostProgram, "clock", clock),
    ):
        setattr(of, name, stand_in)


def _predicted(host: str) -> HostOutcome:
    told = Difference(path="/etc/orthanc/orthanc.json", text=difference(host))
    return HostOutcome(host=host, status="done", changed=True, differences=(told,))


def _timed(call: Callable[..., Any], stage: str, spent: dict[str, float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        began = time.process_time()
        try:
            return call(*arguments, **named)
        finally:
            spent[stage] = spent.get(stage, 0.0) + time.process_time() - began

    return timed


if __name__ == "__main__":
    main(Path(sys.argv[1]))

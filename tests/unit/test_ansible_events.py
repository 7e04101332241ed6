"""What is read from Ansible's events: reasons, findings, differences; nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.adapters.ansible_events import Collected, Counts, collect, differences, reason


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"msg": "no room"}, "no room"),
        ({"msg": "bad", "argument_errors": ["a is missing", "b is"]}, "a is missing; b is"),
        ({"msg": "MODULE FAILURE: see", "module_stderr": "Traceback\n  File\nKeyError: x"},
         "KeyError: x"),
        ({"results": [{"failed": True, "msg": "one"}, {"msg": "fine"}, {"failed": True, "msg":
         "two"}], "msg": "One or more items failed"}, "one; two"),
        ({}, "it gave no reason"),
    ],
)  # fmt: skip
def test_a_reason_is_the_tasks_own_message(result: dict[str, Any], told: str) -> None:
    assert reason(result) == told


@pytest.mark.parametrize(
    ("diff", "path", "lines"),
    [
        ({"before": "a\n", "after": "b\n", "after_header": "/etc/x"}, "/etc/x", ["-a", "+b"]),
        ([{"before": "a", "after": "b", "before_header": "/etc/x"}], "/etc/x", ["-a", "+b"]),
        ({"before": {"path": "/x", "state": "absent"}, "after": {"path": "/x", "state": "file"}},
         "/x", ["-state: absent", "+state: file"]),
        ({"prepared": "as it is", "after_header": "/x"}, "/x", ["as it is"]),
    ],
)  # fmt: skip
def test_every_shape_of_difference_is_read(diff: Any, path: str, lines: list[str]) -> None:
    ((found, text),) = differences(diff)
    assert found == path
    assert [line for line in lines if line not in text.splitlines()] == []


@pytest.mark.parametrize("nothing", [None, {}, [], {"before": "a", "after": "a"}, "odd"])
def test_no_difference_is_none(nothing: Any) -> None:
    assert list(differences(nothing)) == []


def test_findings_of_several_tasks_are_joined() -> None:
    into = Collected()
    for found in ({"refusals": ["a"], "x": {"p": 1}}, {"refusals": ["b"], "x": {"q": 2}, "y": 3}):
        body = {"host": "h", "res": {"wardship": found, "invocation": {"password": "s"}}}
        assert collect({"event": "runner_on_ok", "event_data": body}, into) is False
    assert into.hosts["h"].data == {"refusals": ["a", "b"], "x": {"p": 1, "q": 2}, "y": 3}


@pytest.mark.parametrize("name", ["failures", "dark", "ignored", "rescued"])
def test_every_count_that_is_not_ok_is_wrong(name: str) -> None:
    assert Counts(**{name: 2}).wrong().startswith("2 ")
    assert not Counts(changed=3).wrong()

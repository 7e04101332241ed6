"""Whether a host can park: every reason against, and none where there is none."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_modules import role_module

precheck: Any = role_module("dicom_spool", "dicom_spool_precheck")


def test_a_program_that_is_staged_on_a_new_enough_python_is_no_reason(tmp_path: Path) -> None:
    program = tmp_path / "spool"
    assert next(precheck.program(str(program))) == f"{program} is not staged"
    program.touch(mode=0o755)
    assert [why for why in precheck.program(str(program)) if "the program" not in why] == []
    (old,) = [why for why in precheck.program(str(program), (3, 9)) if "Python" in why]
    assert old == "Python is 3.9 here, parking needs 3.10 or later"


def test_a_quota_that_does_not_fit_is_told_with_what_there_is(tmp_path: Path) -> None:
    assert list(precheck.room(str(tmp_path / "not/yet/there"), 1)) == []
    (why,) = precheck.room(str(tmp_path), 1 << 40)
    assert f"parking needs {(1 << 40) + precheck.RESERVE}" in why


def test_the_directory_is_its_users_own(tmp_path: Path) -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    assert list(precheck.user(str(tmp_path), me)) == []
    assert list(precheck.user(str(tmp_path / "not there"), me)) == []
    assert list(precheck.user(str(tmp_path), "nobody-at-all")) == ["there is no user nobody-at-all"]
    assert list(precheck.user("/proc/self/exe", me)) == ["/proc/self/exe is no directory"]
    (why,) = precheck.user(str(tmp_path), "daemon" if me != "daemon" else "bin")
    assert "belongs to somebody else" in why


def test_a_port_that_somebody_has_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        (why,) = precheck.ports([port])
        assert why.startswith(f"port {port} is taken")
    assert list(precheck.ports([port])) == []


def test_a_listing_that_fails_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "ss"
    broken.write_text("#!/bin/sh\necho 'cannot open netlink' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (why,) = precheck.ports([11042])
    assert why == "who listens is not known: ss: cannot open netlink"


def test_an_identity_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "here.pem").touch()
    found = list(precheck.identity([tmp_path / "here.pem", tmp_path / "gone.pem"]))
    assert found == [
        f"{tmp_path / 'gone.pem'} is not there, parking needs it to answer as the product"
    ]

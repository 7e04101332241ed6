"""The bridge as one file, as it runs on a host: isolated, with nothing but Python beside it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.adapters.bridgeprogram import build_bridge_program
from orchestrator.wire import mllp
from tests.fakes.gnuhealth import ORDER, PASSWORD, USER, FakeGnuHealth
from tests.fakes.product import free_port
from tests.unit.bridge_scene import PID


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("bridge") / "wardship-bridge"
    build_bridge_program(built)
    return built


def isolated(program: Path, *words: str) -> list[str]:
    """As its first line has it, and without this machine's packages."""
    return ["/usr/bin/python3", "-ISB", str(program), *words]


@contextmanager
def serving(program: Path, url: str, directory: Path) -> Iterator[tuple[int, Path]]:
    port, settings = free_port(), directory / "settings.json"
    station = {"CT1": {"modality": "CT", "tests": ["CTHD"]}}
    worklist = {
        "directory": str(directory / "list"), "ae_title": "WORKLIST", "every_seconds": 0.2,
        "days_back": 2, "days_ahead": 7, "stations": station,
    }  # fmt: skip
    told = {
        "facility": "hospital-a",
        "timezone": "Africa/Mbabane",
        "ris": {"url": url, "database": "gnuhealth", "user": USER, "password": PASSWORD},
        "hl7": {"port": port, "charset": "ASCII", "authority": "H", "placer": "", "doctor": "D-1"},
        "worklist": worklist,
    }
    settings.write_text(json.dumps(told))
    with subprocess.Popen(
        isolated(program, "serve", str(settings)), stderr=subprocess.PIPE, text=True, cwd="/"
    ) as process:
        try:
            _wait(process, port)
            yield port, settings
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def _wait(process: subprocess.Popen[str], port: int) -> None:
    for _ in range(400):
        assert process.poll() is None, process.communicate()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("it does not listen")


def test_it_takes_an_order_and_lists_it(program: Path, tmp_path: Path) -> None:
    fake = FakeGnuHealth()
    header = "MSH|^~\\&|HIS|H|RIS|H|20261101||ORM^O01|4|P|2.5.1||||||UNICODE UTF-8"
    message = "\r".join([header, PID, "ORC|NW|H-1", "OBR|1|H-1||CTHD", ""]).encode()
    with fake.serving() as url, serving(program, url, tmp_path) as (port, settings):
        assert mllp.answered(("127.0.0.1", port), message, timeout=20) == ("AA", "")
        for _ in range(2):
            done = subprocess.run(
                isolated(program, "probe", str(settings)), capture_output=True, check=True
            )
            assert json.loads(done.stdout) == {"code": "AA", "because": ""}
        until = time.monotonic() + 20
        wanted = {"1-CT1.wl", "2-WARDSHIP.wl"}
        while (found := {one.name for one in tmp_path.glob("list/WORKLIST/*.wl")}) != wanted:
            assert time.monotonic() < until, found
            time.sleep(0.05)
    assert [one["request"] for one in fake.of(ORDER)] == ["H-1", "WARDSHIP-1"]
    assert all(one.stat().st_mode & 0o077 == 0 for one in tmp_path.glob("list/WORKLIST/*.wl"))


def test_without_the_ris_the_probe_says_what_the_bridge_said(program: Path, tmp_path: Path) -> None:
    with serving(program, f"http://127.0.0.1:{free_port()}", tmp_path) as (_, settings):
        done = subprocess.run(
            isolated(program, "probe", str(settings)), capture_output=True, check=True
        )
    answer = json.loads(done.stdout)
    assert answer["code"] == "AE"
    assert "no connection" in answer["because"]


def test_settings_that_are_none_are_said_to_be_so(program: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text('{"hl7": null}')
    done = subprocess.run(
        isolated(program, "serve", str(tmp_path / "settings.json")), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr

"""The checks' own process: every expected check gets a result, whatever becomes of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.fleet.model import VerifySettings
from orchestrator.verify.handover import LOG, REQUEST, RESULTS
from orchestrator.verify.model import CheckReport, CheckRequest
from orchestrator.verify.runner import CheckProcess, run_checks

#: Seconds until something that must happen has happened.
DEADLINE = 30.0

OWN = '''
"""A role's checks, of every kind."""
import os
import pytest
from orchestrator.verify.outcome import Unknown
from orchestrator.wire.errors import Rejected

def test_good(request_, record):
    """Protects the good."""
    record.say(f"release {request_.release}")
    record.measure(p95=1.5)
    record.show("seen", "and shown")

def test_wrong(record):
    record.show("what was seen before")
    assert 1 + 1 == 3, "one and one is two"

def test_wordless():
    assert 1 + 1 == 3

def test_refused():
    raise Rejected("it refuses")

def test_cannot_say():
    raise Unknown("nothing to compare with")

def test_breaks():
    {}["no such key"]

def test_skipped():
    pytest.skip("not today")

def test_no_such_fixture(nothing_of_the_kind): ...

def test_environment():
    assert os.environ["GIVEN"] == "yes"
    assert "SECRET_OF_OURS" not in os.environ
    assert not [name for name in os.environ if name.startswith("PYTEST_ADD")]
'''


def request(workdir: Path, source: str) -> CheckRequest:
    """A request for the checks in ``source`` only."""
    own = workdir / "own"
    own.mkdir(parents=True)
    (own / "test_own.py").write_text(source)
    return CheckRequest(
        change_set="c1",
        moment="baseline",
        host="pacs-a",
        ssh_config=workdir / "none",
        release="1.0",
        root="/opt/x",
        services=(),
        ports=(),
        volumes=(),
        min_free_mib=1,
        suites=(),
        role_checks=own,
        settings=VerifySettings(),
        seed=1,
    )


def run(tmp_path: Path, source: str, *, limit: float = DEADLINE) -> CheckReport:
    return run_checks(
        request(tmp_path, source), workdir=tmp_path / "run", env={"GIVEN": "yes"}, limit=limit
    )


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where that one run is."""
    return tmp_path_factory.mktemp("checks")


@pytest.fixture(scope="module")
def report(directory: Path) -> CheckReport:
    """One run of every kind of check, with traps around it."""
    for trap in (directory, directory / "run"):
        trap.mkdir(exist_ok=True)
        (trap / "conftest.py").write_text("raise SystemExit('a conftest was loaded')")
        (trap / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", "--no-such-option")
        patch.setenv("SECRET_OF_OURS", "hush")
        return run(directory, OWN)


@pytest.mark.parametrize(
    ("check", "status", "because"),
    [
        ("good", "passed", "release 1.0"),
        ("wrong", "failed", "one and one is two"),
        ("wordless", "failed", "not true: assert 1 + 1 == 3"),
        ("refused", "failed", "it refuses"),
        ("cannot-say", "unknown", "nothing to compare with"),
        ("breaks", "unknown", "the check itself broke: KeyError: 'no such key'"),
        ("skipped", "unknown", "the check itself broke: Skipped: not today"),
        ("environment", "passed", ""),
    ],
)
def test_each_kind_of_check_has_its_result(
    report: CheckReport, check: str, status: str, because: str
) -> None:
    result = report.result(check)
    assert result is not None
    assert (result.status, result.because) == (status, because)


def test_a_check_that_cannot_be_set_up_is_unknown(report: CheckReport) -> None:
    result = report.result("no-such-fixture")
    assert result is not None
    assert result.status == "unknown"


def test_a_result_carries_what_the_check_recorded(report: CheckReport) -> None:
    good, wrong = report.result("good"), report.result("wrong")
    assert good is not None
    assert wrong is not None
    assert (good.measures, good.evidence) == ({"p95": 1.5}, ("seen", "and shown"))
    assert good.protects == "Protects the good."
    assert wrong.evidence == ("what was seen before",)


@pytest.mark.usefixtures("report")
def test_what_it_writes_is_ours_alone(directory: Path) -> None:
    files = {path.name: path.stat().st_mode & 0o777 for path in (directory / "run").iterdir()}
    assert {files[name] for name in (REQUEST, RESULTS, LOG)} == {0o600}


def test_a_check_that_hangs_is_unknown_and_the_others_are_kept(tmp_path: Path) -> None:
    source = """
import time
def test_a(): ...
def test_hangs():
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass
def test_z(): ...
"""
    found = run(tmp_path, source, limit=8.0)
    assert [(r.check, r.status) for r in found.results] == [
        ("a", "passed"),
        ("hangs", "unknown"),
        ("z", "unknown"),
    ]
    assert "cut off after 8 s (it had begun)" in found.results[1].because
    assert "(it was not reached)" in found.results[2].because


def test_a_check_is_cut_off_at_its_own_limit(tmp_path: Path) -> None:
    source = """
import time
import orchestrator.verify.plugin as plugin
plugin.OWN_LIMIT = 0.3
def test_hangs():
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass
def test_z(): ...
"""
    found = run(tmp_path, source)
    assert [(r.check, r.status) for r in found.results] == [("hangs", "unknown"), ("z", "passed")]


@pytest.mark.parametrize(
    ("ends", "because"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9"),
        ("import os; os._exit(0)", "ended without it"),
        ("import pytest; pytest.exit('enough')", "ended without it"),
        ("raise KeyboardInterrupt", "ended without it"),
    ],
)
def test_a_process_that_dies_leaves_the_rest_unknown(
    tmp_path: Path, ends: str, because: str
) -> None:
    found = run(tmp_path, f"def test_a(): ...\ndef test_dies():\n    {ends}\ndef test_z(): ...\n")
    assert [r.status for r in found.results] == ["passed", "unknown", "unknown"]
    assert because in found.results[2].because


def test_checks_that_cannot_be_loaded_are_unknown(tmp_path: Path) -> None:
    found = run(tmp_path, "import no_such_module\ndef test_a(): ...\n")
    assert [r.status for r in found.results] == ["unknown"]


def test_a_process_that_is_not_needed_leaves(tmp_path: Path) -> None:
    with CheckProcess(workdir=tmp_path / "run", env={}) as process:
        number = process.pid
    assert not alive(number)


def test_a_killed_caller_leaves_no_process(tmp_path: Path) -> None:
    """Neither the one that runs the checks nor what a check started."""
    told = tmp_path / "told"
    source = f"""
import os, pathlib, subprocess, time
def test_hangs():
    child = subprocess.Popen(["sleep", "600"])
    pathlib.Path({str(told)!r}).write_text(f"{{os.getpid()}} {{child.pid}}\\n")
    time.sleep(600)
"""
    asked = tmp_path / "asked.json"
    asked.write_text(request(tmp_path, source).model_dump_json())
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path\n"
            "from orchestrator.verify.model import CheckRequest\n"
            "from orchestrator.verify.runner import run_checks\n"
            "asked = CheckRequest.model_validate_json(Path(sys.argv[1]).read_text())\n"
            "run_checks(asked, workdir=Path(sys.argv[2]), env={})\n",
            str(asked),
            str(tmp_path / "run"),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
    caller.send_signal(signal.SIGKILL)
    caller.wait()
    for number in map(int, told.read_text().split()):
        wait_until(lambda number=number: not alive(number))  # type: ignore[misc]


def alive(number: int) -> bool:
    """Whether a process runs; a dead one that nobody waited for does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)

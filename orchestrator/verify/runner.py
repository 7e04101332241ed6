"""Runs checks in a process of their own and gives every expected check a result.

Decides nothing about a hospital: ``judge`` does. What did not answer is *unknown*, with the reason:
not reached, cut off, or the process died. A run leaves no process behind, also when it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orchestrator
from orchestrator.verify.handover import BEGIN, LOG, REQUEST, RESULTS
from orchestrator.verify.model import CheckReport, CheckRequest, CheckResult
from orchestrator.verify.suites import BY_ID, expected_checks

#: Seconds for a whole run: every check has its own limit, this one is for what those cannot catch.
LIMIT = 1800.0
#: What the process gets of our environment: no secret is handed on by accident.
NEEDED = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "SSH_AUTH_SOCK", "TMPDIR", "USER"})


def _utc() -> datetime:
    return datetime.now(UTC)


class CheckProcess:
    """A process that is ready to run checks. Start it while something else takes its time.

    Serves one run. ``env`` holds what the request names: the web password.
    """

    def __init__(self, *, workdir: Path, env: Mapping[str, str]) -> None:
        """``workdir``: a directory of this run alone; made, with mode 0700, if it is not there."""
        workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._workdir = workdir.resolve()
        (self._workdir / RESULTS).unlink(missing_ok=True)
        self._ended = False
        with _private(self._workdir / LOG) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orchestrator.verify.process", str(self._workdir)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._workdir,
                env=_environment(env),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """The number of the process, which leads a process group of its own."""
        return self._process.pid

    def run(
        self,
        request: CheckRequest,
        *,
        limit: float = LIMIT,
        clock: Callable[[], datetime] = _utc,
    ) -> CheckReport:
        """All checks that are expected, each with a result. ``limit`` in seconds for the whole run.

        Raises:
            FleetError: the request names suites or checks that do not exist.
        """
        expected = expected_checks(request.suites, request.moment, role_checks=request.role_checks)
        taken_at = clock()
        with _private(self._workdir / REQUEST) as file:
            file.write(request.model_dump_json().encode())
        why = self._wait(limit)
        results = _read(self._workdir / RESULTS, expected, why=why)
        return CheckReport(
            change_set=request.change_set,
            host=request.host,
            moment=request.moment,
            taken_at=taken_at,
            results=results,
        )

    def end(self) -> None:
        """Kill the process and everything that it started."""
        if self._ended:
            return  # its number may be another's by now
        self._ended = True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _wait(self, limit: float) -> str:
        """Let it run to its end. Gives the reason why a check may have no result."""
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("a process without standard input")
        try:
            stdin.write(BEGIN)
            stdin.flush()
            code = self._process.wait(limit)
        except BrokenPipeError:
            return f"the checks did not start: {_last_line(self._workdir / LOG)}"
        except subprocess.TimeoutExpired:
            return f"the run was cut off after {limit:.0f} s"
        finally:
            self.end()
        if code < 0:
            return f"the checks were killed by signal {-code}"
        return f"the run ended without it: {_last_line(self._workdir / LOG)}"


def run_checks(
    request: CheckRequest,
    *,
    workdir: Path,
    env: Mapping[str, str],
    limit: float = LIMIT,
    clock: Callable[[], datetime] = _utc,
) -> CheckReport:
    """Start a process, run the checks in it, end it. As ``CheckProcess.run``."""
    with CheckProcess(workdir=workdir, env=env) as process:
        return process.run(request, limit=limit, clock=clock)


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """What ssh and Python need of our own environment, and the caller's on top of it.

    Nothing of it may make pytest load or do something else.
    """
    ours = {name: value for name, value in os.environ.items() if name in NEEDED}
    root = str(Path(orchestrator.__file__).resolve().parent.parent)
    paths = [root, *filter(os.path.isabs, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return (
        ours
        | {name: value for name, value in env.items() if not name.startswith("PYTEST_")}
        | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        }
    )


def _read(file: Path, expected: tuple[str, ...], *, why: str) -> tuple[CheckResult, ...]:
    begun = ""
    given: dict[str, list[CheckResult]] = {}
    for line in file.read_text("utf-8").splitlines() if file.exists() else ():
        try:
            found = json.loads(line)
            if "begun" in found:
                begun = found["begun"]
                continue
            result = CheckResult.model_validate(found)
        except ValueError:
            continue  # cut off in the middle of a line: no result
        given.setdefault(result.check, []).append(result)
    results: list[CheckResult] = []
    for check in expected:
        results += given.pop(check, []) or [_missing(check, begun=begun, why=why)]
    return (*results, *(result for others in given.values() for result in others))


def _missing(check: str, *, begun: str, why: str) -> CheckResult:
    doing = "it had begun" if check == begun else "it was not reached"
    spec = BY_ID.get(check)
    return CheckResult.unknown(check, because=f"{why} ({doing})").model_copy(
        update={"protects": spec.protects if spec else ""}
    )


def _private(path: Path) -> BinaryIO:
    """A new file that only we may read."""
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "no word of why"

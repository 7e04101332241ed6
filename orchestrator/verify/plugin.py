"""The pytest plugin of a run: the checks' fixtures, their order, a line of JSON for each result.

Handed to pytest in a process of its own (``process``), never discovered. A result is written as
soon as its check ends, so that what comes later cannot lose it.

Fixtures for checks, a role's own included: ``request_`` (the ``CheckRequest``), ``site``, ``host``
(testinfra's), ``dicom``, ``web``, ``record``.
"""

from __future__ import annotations

import inspect
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from orchestrator.verify.model import CheckRequest, CheckResult, Status
from orchestrator.verify.outcome import TimedOut, meaning
from orchestrator.verify.site import Site
from orchestrator.verify.suites import BY_ID, check_id, expected_checks
from orchestrator.wire.dicom import DicomClient
from orchestrator.wire.dicomweb import WebClient

#: Seconds that a role's own check may take.
OWN_LIMIT = 60.0


class Record:
    """What a check adds to its result: a sentence, figures for later runs, evidence."""

    def __init__(self) -> None:
        self.because = ""
        self.measures: dict[str, JsonValue] = {}
        self.evidence: list[str] = []
        self.integrity = True

    def service_only(self) -> None:
        """Nothing is lost where this fails: after a restore it keeps no door shut."""
        self.integrity = False

    def say(self, because: str) -> None:
        """Why it passed, in one sentence. A failure says so itself."""
        self.because = because

    def measure(self, **figures: JsonValue) -> None:
        """Figures that later runs compare with."""
        self.measures |= figures

    def show(self, *lines: str) -> None:
        """Evidence; never a patient's data."""
        self.evidence += lines


RECORD = pytest.StashKey[Record]()
SITE = pytest.StashKey[Site]()


@pytest.fixture(scope="session")
def site(pytestconfig: pytest.Config) -> Iterator[Site]:
    """The product on its host."""
    yield pytestconfig.stash[SITE]
    pytestconfig.stash[SITE].close()


@pytest.fixture(scope="session")
def request_(site: Site) -> CheckRequest:
    """What was asked for."""
    return site.request


@pytest.fixture
def host(site: Site) -> Any:
    """Testinfra's host."""
    return site.host.shell


@pytest.fixture
def dicom(site: Site) -> DicomClient:
    """The product's DICOM service."""
    return site.dicom


@pytest.fixture
def web(site: Site) -> WebClient:
    """The product's web service; a path that begins with a slash is below the server's root."""
    return site.web


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """What this check adds to its result."""
    found: Record = request.node.stash.setdefault(RECORD, Record())
    return found


class Checks:
    """One run. ``results`` is appended to, a JSON object a line."""

    def __init__(self, request: CheckRequest, results: Path) -> None:
        self._request = request
        self._site = Site(request)
        self._seconds = 0.0
        self._file = os.open(results, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Give the fixtures what they need."""
        config.stash[SITE] = self._site

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is expected at this moment, in the catalogue's order."""
        wanted = expected_checks(
            self._request.suites, self._request.moment, role_checks=self._request.role_checks
        )
        order = {check: place for place, check in enumerate(wanted)}
        kept = [item for item in items if _id(item) in order]
        items[:] = sorted(kept, key=lambda item: order[_id(item)])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Under the check's time limit."""
        self._write(f'{{"begun": "{_id(item)}"}}')
        self._seconds = 0.0
        with _limit(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Under the check's time limit."""
        with _limit(item):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, Any]:
        """Write the result once it is known."""
        report = yield
        self._seconds += call.duration
        ended = call.when == "call" or (call.when == "setup" and call.excinfo is not None)
        if ended:
            self._write(self._result(item, call).model_dump_json())
        return report

    def _result(self, item: pytest.Item, call: pytest.CallInfo[None]) -> CheckResult:
        record = item.stash.get(RECORD, Record())
        status: Status = "passed"
        because = record.because
        if call.excinfo is not None:
            status, because = meaning(call.excinfo.value, line_is_up=self._site.obstacle)
            because = because or f"not true: {_source_line(call.excinfo)}"
        spec = BY_ID.get(_id(item))
        return CheckResult(
            check=_id(item),
            status=status,
            because=because,
            protects=spec.protects if spec else _first_line(item),
            seconds=round(self._seconds, 3),
            measures=record.measures,
            evidence=tuple(record.evidence),
            integrity=record.integrity,
        )

    def _write(self, line: str) -> None:
        os.write(self._file, f"{line}\n".encode())


@contextmanager
def _limit(item: pytest.Item) -> Iterator[None]:
    """Raise ``TimedOut`` in the check when its time is over."""
    spec = BY_ID.get(_id(item))
    seconds = spec.limit if spec else OWN_LIMIT

    def ring(_signal: int, _frame: object) -> None:
        raise TimedOut(f"the check did not end within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _id(item: pytest.Item) -> str:
    return check_id(getattr(item, "originalname", None) or item.name)


def _first_line(item: pytest.Item) -> str:
    text = inspect.getdoc(getattr(item, "function", None)) or ""
    return text.partition("\n")[0]


def _source_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    """The statement that an assertion without a message failed in."""
    return str(error.traceback[-1].statement).strip()[:200]

"""A skipped test has shown nothing: a run that skipped any fails, whatever the others did."""

from __future__ import annotations

import pytest

WHY = "skipped is not passed: a test that cannot run here belongs where it can, or fails"


def _skipped(config: pytest.Config) -> int:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return len(reporter.stats.get("skipped", [])) if reporter else 0


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a run that is green but for its skips into a failed one."""
    if session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run failed."""
    if _skipped(terminalreporter.config):
        terminalreporter.write_line(WHY, red=True)

"""For all tests: under CI (``CI`` is set) a skip is a failure, and no test changes the log of the next."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under CI, with its reason."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped under CI: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _log_levels_stay_as_they_were() -> Iterator[None]:
    """Commands run within the test process set up logging for the whole of it."""
    loggers = [logging.getLogger(name) for name in ("", "pacs", "pynetdicom")]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)

"""/health/live and /health/ready: is the process alive, and may it be sent work.

Live answers 200 as long as HTTP is served. Ready tries what an operation needs and answers 503 while anything
is amiss, with every check in words. Health checkers ask often and from many places: a result is used again
for some seconds, and a check that hangs (a network disk does) holds up one request, not all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, jsonify

from pacs.errors import PacsError

PATIENCE = 2.0  # seconds that a request waits for a check that another request is running


@dataclass(frozen=True, slots=True)
class Check:
    """Something that must be well: ``probe`` returns words, or raises PacsError or OSError with others."""

    name: str
    probe: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    name: str
    well: bool
    words: str


class Readiness:
    """Runs ``checks`` at most every ``interval`` seconds. May be used from many threads.

    What is amiss is looked at again ten times as often: a start or a recovery is to be seen at once.
    """

    def __init__(self, checks: Sequence[Check], interval: float) -> None:
        self._checks = tuple(checks)
        self._interval = interval
        self._lock = threading.Lock()
        self._findings: tuple[Finding, ...] = ()
        self._good_until = float("-inf")

    def findings(self) -> tuple[Finding, ...]:
        """What each check found, at most ``interval`` seconds ago."""
        if time.monotonic() < self._good_until:
            return self._findings
        if not self._lock.acquire(timeout=PATIENCE):
            return (
                Finding("checks", False, f"still running after {PATIENCE:g} s: is a disk not answering?"),
            )
        try:
            if time.monotonic() >= self._good_until:
                self._findings = tuple(map(_try, self._checks))
                well = all(finding.well for finding in self._findings)
                self._good_until = time.monotonic() + (self._interval if well else self._interval / 10)
            return self._findings
        finally:
            self._lock.release()


def _try(check: Check) -> Finding:
    try:
        return Finding(check.name, True, check.probe())
    except (PacsError, OSError) as error:
        return Finding(check.name, False, str(error))


def blueprint(readiness: Readiness) -> Blueprint:
    """The pages of this module."""
    pages = Blueprint("health", __name__, url_prefix="/health")

    @pages.get("/live")
    def live() -> Response:
        return jsonify(live=True)

    @pages.get("/ready")
    def ready() -> tuple[Response, int]:
        findings = readiness.findings()
        well = all(finding.well for finding in findings)
        checks = {finding.name: {"well": finding.well, "words": finding.words} for finding in findings}
        return jsonify(ready=well, checks=checks), 200 if well else 503

    return pages

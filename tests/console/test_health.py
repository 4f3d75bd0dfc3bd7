from __future__ import annotations

import threading

from flask import Flask

from pacs.console import health
from pacs.console.health import Check, Readiness
from pacs.errors import OutOfResources


def get(readiness: Readiness, path: str) -> tuple[int, object]:
    app = Flask("test")
    app.register_blueprint(health.blueprint(readiness))
    response = app.test_client().get(path)
    return response.status_code, response.json


def test_live_is_well_whatever_the_checks_find() -> None:
    def probe() -> str:
        raise OutOfResources("The disk is full.")

    assert get(Readiness([Check("storage", probe)], 0), "/health/live") == (200, {"live": True})


def test_ready_is_green_when_every_check_is_well() -> None:
    readiness = Readiness([Check("storage", lambda: "writable")], 0)
    body = {"ready": True, "checks": {"storage": {"well": True, "words": "writable"}}}
    assert get(readiness, "/health/ready") == (200, body)


def test_ready_is_red_with_words_when_one_check_fails() -> None:
    def probe() -> str:
        raise OutOfResources("The disk is full.")

    readiness = Readiness([Check("index", lambda: "open"), Check("storage", probe)], 0)
    status, body = get(readiness, "/health/ready")
    assert status == 503
    assert body == {
        "ready": False,
        "checks": {
            "index": {"well": True, "words": "open"},
            "storage": {"well": False, "words": "The disk is full."},
        },
    }


def test_checks_run_once_within_the_interval() -> None:
    runs = iter(["first run", "second run"])
    readiness = Readiness([Check("storage", lambda: next(runs))], 60)
    readiness.findings()
    (finding,) = readiness.findings()
    assert finding.words == "first run"


def test_a_check_that_hangs_turns_other_requests_red_and_does_not_hold_them() -> None:
    release, entered = threading.Event(), threading.Event()

    def probe() -> str:
        entered.set()
        release.wait(30)
        return "well"

    readiness = Readiness([Check("storage", probe)], 0)
    thread = threading.Thread(target=readiness.findings)
    thread.start()
    entered.wait(30)
    (finding,) = readiness.findings()
    release.set()
    thread.join()
    assert not finding.well
    assert "still running" in finding.words

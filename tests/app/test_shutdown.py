from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from pacs.app.shutdown import Shutdown, StoppedEarly


@pytest.fixture
def shutdown() -> Iterator[Shutdown]:
    shutdown = Shutdown()
    yield shutdown
    shutdown.close()


def test_a_signal_before_the_start_is_complete_ends_it(shutdown: Shutdown) -> None:
    with pytest.raises(StoppedEarly):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_wakes_who_waits(shutdown: Shutdown, number: signal.Signals) -> None:
    shutdown.from_now_on_orderly()
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
    assert shutdown.wait(30)
    assert not shutdown.wait(0)


def test_a_request_from_another_thread_wakes_who_waits(shutdown: Shutdown) -> None:
    threading.Timer(0.05, shutdown.request).start()
    assert shutdown.wait(30)


def test_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    Shutdown().close()
    assert signal.getsignal(signal.SIGTERM) is before

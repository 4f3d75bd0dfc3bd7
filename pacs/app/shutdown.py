"""SIGTERM and SIGINT: the first asks to stop, the second to hurry.

Signals wake the main thread through a socket that the interpreter writes to, in whichever thread the system
delivers them: a handler of ours runs in the main thread alone, which may be waiting.
"""

from __future__ import annotations

import faulthandler
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StoppedEarly(BaseException):
    """A signal came while there was nothing yet to end in order."""


def end_within(seconds: float) -> None:
    """However the end may hang, end this process after ``seconds``, with a trace of where it hung.

    What was acknowledged is on disk by then.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)


class Shutdown:
    """Listens to signals from its making on. For the main thread only.

    ``asked`` is called once, from whichever thread, when it is first asked to stop.
    """

    def __init__(self, asked: Callable[[], None] = lambda: None) -> None:
        self._tell = [asked]
        self._asked, self._asking = socket.socketpair()
        self._asked.setblocking(False)
        self._asking.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._asking.fileno(), warn_on_full_buffer=False)
        self._before = [(number, signal.signal(number, self._handle)) for number in SIGNALS]
        self._orderly = False

    def from_now_on_orderly(self) -> None:
        """Signals so far raised StoppedEarly; from now on ``wait`` returns for them."""
        self._orderly = True

    def request(self) -> None:
        """Ask to stop, from any thread."""
        self._tell_once()
        with suppress(BlockingIOError):  # it is full of requests
            self._asking.send(b"\0")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a request, for ``seconds`` at most; whether one came."""
        ready, _, _ = select.select([self._asked], [], [], seconds)
        if ready:
            self._asked.recv(1)
        return bool(ready)

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before:
            signal.signal(number, handler)
        self._asked.close()
        self._asking.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._tell_once()
        if not self._orderly:
            raise StoppedEarly

    def _tell_once(self) -> None:
        with suppress(IndexError):
            self._tell.pop()()

"""One at a time for each SOP Instance UID: concurrent stores of one instance take turns."""

from __future__ import annotations

from threading import Condition
from types import TracebackType


class InFlight:
    """The UIDs that are being stored."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._held: set[str] = set()

    def hold(self, uid: str) -> _Hold:
        """A context in which no other thread holds ``uid``."""
        return _Hold(self, uid)

    def acquire(self, uid: str) -> None:
        """Wait for ``uid`` to be free, and hold it."""
        with self._turn:
            while uid in self._held:
                self._turn.wait()
            self._held.add(uid)

    def release(self, uid: str) -> None:
        """Let the next one hold ``uid``."""
        with self._turn:
            self._held.discard(uid)
            self._turn.notify_all()


class _Hold:
    __slots__ = ("_in_flight", "_uid")

    def __init__(self, in_flight: InFlight, uid: str) -> None:
        self._in_flight = in_flight
        self._uid = uid

    def __enter__(self) -> None:
        self._in_flight.acquire(self._uid)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._in_flight.release(self._uid)

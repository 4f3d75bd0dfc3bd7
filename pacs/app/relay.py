"""The observer of a worker: tells the main process what was done, many events in a message."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from pacs.app.channel import BATCH_EVENTS, Finished, Happened, Reported, send_answer
from pacs.archive.observer import AssociationChange, Caller, Operation


class Relay:
    """Gathers events, and tells them when there are many or when it is asked to."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._operations: list[Finished] = []
        self._changes: list[AssociationChange] = []

    def operation(self, operation: Operation) -> None:
        """An operation ended."""
        o = operation
        finished = Finished(o.name, o.status, o.seconds, o.size, o.count, o.failed)
        with self._lock:
            self._operations.append(finished)
            self._tell_many()

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """An association opened, ended or was refused."""
        with self._lock:
            self._changes.append(change)
            self._tell_many()

    def report(self, number: int) -> None:
        """Tell what there is, then that it was told."""
        with self._lock, suppress(OSError):
            self._tell()
            send_answer(self._socket, Reported(number))

    def flush(self) -> None:
        """Tell what there is."""
        with self._lock, suppress(OSError):
            self._tell()

    def _tell_many(self) -> None:
        if len(self._operations) + len(self._changes) >= BATCH_EVENTS:
            # Without the main process nobody counts, and this process is about to end.
            with suppress(OSError):
                self._tell()

    def _tell(self) -> None:
        if self._operations or self._changes:
            happened = Happened(self._operations, self._changes)
            self._operations, self._changes = [], []
            send_answer(self._socket, happened)

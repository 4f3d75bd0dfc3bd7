"""The board: how busy each worker is, in memory that all of them share.

A worker writes its own seat only, so that the main process wipes it clean when the worker dies. Who asks for
a place for an association holds a lock of the kernel's, which a dead process does not keep.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading

_NUMBER_BYTES = 8
_PER_SEAT = 2  # associations open now; connections that ended


class Board:
    """A board with ``seats``: a new one, or that of ``descriptor``, which it then owns."""

    def __init__(self, seats: int, descriptor: int | None = None) -> None:
        size = seats * _PER_SEAT * _NUMBER_BYTES
        if descriptor is None:
            descriptor = os.memfd_create("pacs-board", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, size)
        self._numbers = memoryview(self._map).cast("Q")

    def associations(self) -> int:
        """How many associations there are at all seats."""
        return sum(self._numbers[::_PER_SEAT])

    def ended(self, seat: int) -> int:
        """How many connections have ended at ``seat``."""
        return self._numbers[seat * _PER_SEAT + 1]

    def wipe(self, seat: int) -> None:
        """Nobody sits at ``seat`` any more."""
        self._numbers[seat * _PER_SEAT] = self._numbers[seat * _PER_SEAT + 1] = 0

    def add(self, seat: int, *, associations: int = 0, ended: int = 0) -> None:
        """Count at ``seat``; for one thread of its process at a time."""
        self._numbers[seat * _PER_SEAT] += associations
        self._numbers[seat * _PER_SEAT + 1] += ended

    def close(self) -> None:
        """Let the memory go."""
        self._numbers.release()
        self._map.close()
        os.close(self.descriptor)


class SharedRoom:
    """``places`` for the associations of all workers, as the one at ``seat`` sees them."""

    def __init__(self, board: Board, seat: int, places: int) -> None:
        self._board = board
        self._seat = seat
        self._places = places
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False where none is left."""
        with self._lock:
            fcntl.lockf(self._board.descriptor, fcntl.LOCK_EX)
            try:
                if self._board.associations() >= self._places:
                    return False
                self._board.add(self._seat, associations=1)
                return True
            finally:
                fcntl.lockf(self._board.descriptor, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._board.add(self._seat, associations=-1)

    def ended(self) -> None:
        """A connection ended."""
        with self._lock:
            self._board.add(self._seat, ended=1)

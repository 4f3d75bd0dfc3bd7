"""Room for associations: how many there may be at one time, wherever they are served."""

from __future__ import annotations

import threading
from typing import Protocol


class Room(Protocol):
    """Places for associations; for many threads."""

    def enter(self) -> bool:
        """Take a place; False where none is left."""

    def leave(self) -> None:
        """Give a place back."""


class LocalRoom:
    """``places`` for the associations of this process."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._taken = 0
        self._lock = threading.Lock()

    def enter(self) -> bool:
        """Take a place; False where none is left."""
        with self._lock:
            if self._taken >= self._places:
                return False
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._taken -= 1

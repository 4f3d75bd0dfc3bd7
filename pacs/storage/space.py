"""Free space of a file system, asked about once a second and reckoned in between."""

from __future__ import annotations

import os
import time
from pathlib import Path

REFRESH_SECONDS = 1.0


class Space:
    """What may still be written under ``path`` over ``reserve_bytes``.

    Races between threads make the reckoning wrong by what they write within a second, never by more.
    """

    def __init__(self, path: Path, reserve_bytes: int) -> None:
        self._path = path
        self._reserve = reserve_bytes
        self._asked = float("-inf")
        self._free = 0

    def free(self) -> int:
        """Bytes that may still be written; negative under the reserve. Raises OSError."""
        now = time.monotonic()
        if now - self._asked >= REFRESH_SECONDS:
            found = os.statvfs(self._path)
            # In this order: other threads take an answer only once it is there.
            self._free = found.f_bavail * found.f_frsize - self._reserve
            self._asked = now
        return self._free

    def take(self, size: int) -> bool:
        """``size`` bytes are about to be written: whether there is room for them. Raises OSError."""
        room = self.free() >= size
        if room:
            self._free -= size
        return room

    def refresh(self) -> None:
        """Something was deleted, or a write failed: ask again."""
        self._asked = float("-inf")

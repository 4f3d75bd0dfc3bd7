"""How long to wait before a tunnel that ended is started again: longer each time, and never all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from ``first`` to ``longest`` seconds; ``steady`` seconds of running make it begin anew."""

    first: float = 0.5
    longest: float = 30.0
    steady: float = 60.0

    def delay(self, failures: int, random: Callable[[], float]) -> float:
        """Seconds to wait after so many failures in a row (at least 1); ``random`` gives 0 to 1.

        Between half the doubled time and the whole of it: several tunnels that fell together rise apart.
        """
        doubled = min(self.longest, self.first * 2.0 ** min(failures - 1, 32))
        return doubled * (0.5 + random() / 2)

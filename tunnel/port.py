"""Which loopback ports the tunnels use: the same ones again wherever possible.

A tunnel's place in the range follows from its name, so that it is the same on every machine and after every
restart. Where two names meet in one place, the one that had it keeps it, and the other takes the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from tunnel.errors import TunnelError


def assign_ports(
    names: Iterable[str], ports: range, earlier: Mapping[str, int], taken: Iterable[int] = ()
) -> dict[str, int]:
    """A port of ``ports`` for each name: its ``earlier`` one, else one by its name, never one of ``taken``.

    Raises TunnelError when the range is too small.
    """
    wanted, used = sorted(names), set(taken)
    assigned: dict[str, int] = {}
    for name in wanted:
        port = earlier.get(name)
        if port is not None and port in ports and port not in used:
            assigned[name] = port
            used.add(port)
    for name in wanted:
        if name not in assigned:
            assigned[name] = _next_free(name, ports, used)
            used.add(assigned[name])
    return assigned


def _next_free(name: str, ports: range, used: set[int]) -> int:
    start = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    for step in range(len(ports)):
        port = ports[(start + step) % len(ports)]
        if port not in used:
            return port
    raise TunnelError(f"the {len(ports)} ports {ports.start}-{ports.stop - 1} are too few for all tunnels")

"""Writes vectors/captured-*.bin: what the real ghostunnel puts before a connection."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.tunnel.construct import VECTORS
from tests.tunnel.network import says
from tests.tunnel.test_ghostunnel import House
from tunnel.pki import KeyKind


def main() -> None:
    """Write one for each kind of key."""
    for kind in KeyKind:
        with tempfile.TemporaryDirectory() as folder:
            house = House(Path(folder), kind)
            with house.inbound() as sink, house.outbound() as port:
                if not says(port):
                    raise SystemExit("nothing came through the tunnels")
                (VECTORS / f"captured-{kind.value}.bin").write_bytes(sink.headers[-1])


if __name__ == "__main__":
    main()

"""A load balancer opens and closes a connection every few seconds, all day."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

import pytest

from tests.appliance import Appliance


def _connect_and_close(appliance: Appliance) -> None:
    with socket.create_connection(("127.0.0.1", appliance.dimse_port), 10):
        pass


def _connect_and_reset(appliance: Appliance) -> None:
    with socket.create_connection(("127.0.0.1", appliance.dimse_port), 10) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("probe", [_connect_and_close, _connect_and_reset])
def test_two_thousand_probes_leave_no_log_line_no_thread_and_no_memory(
    server: Appliance, probe: Callable[[Appliance], None]
) -> None:
    for _ in range(300):
        probe(server)
    time.sleep(0.5)
    log, memory = server.log_text(), server.resident_bytes()
    threads, files = server.threads(), server.open_files()
    for _ in range(2000):
        probe(server)
    deadline = time.monotonic() + 5
    while (server.threads() > threads or server.open_files() > files) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.log_text() == log
    assert server.threads() <= threads
    assert server.open_files() <= files
    assert server.resident_bytes() - memory < 4 << 20


def test_probes_do_not_take_the_place_of_associations(start: Callable[..., Appliance]) -> None:
    appliance = start("--max-associations", "2")
    probes = [socket.create_connection(("127.0.0.1", appliance.dimse_port), 10) for _ in range(20)]
    try:
        with appliance.association([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]) as assoc:
            assert assoc.echo() == 0
    finally:
        for probe in probes:
            probe.close()

"""One index writer: a second server on the same folder fails closed until the first is gone."""

from __future__ import annotations

import time

from tests import dcmtk
from tests.appliance import Appliance, running


def test_a_second_server_ends_with_a_clear_message_and_the_first_works_on(server: Appliance) -> None:
    second = Appliance(server.data)
    second.log = server.data.parent / "second.log"
    process = second.spawn()
    assert process.wait(30) != 0
    said = second.log_text()
    assert f"Process {server.pid} " in said
    assert "Stop it first" in said
    assert "Traceback" not in said
    dcmtk.echo(server)
    assert server.http_status("/health/ready") == 200


def test_a_server_that_was_killed_does_not_keep_the_next_from_starting(server: Appliance) -> None:
    server.kill()
    started = time.monotonic()
    with running(Appliance(server.data)) as second:
        dcmtk.echo(second)
        assert time.monotonic() - started < 30


def test_restarts_keep_what_was_stored(server: Appliance) -> None:
    for _ in range(3):
        assert server.stop() == 0
        server.start()
    dcmtk.echo(server)

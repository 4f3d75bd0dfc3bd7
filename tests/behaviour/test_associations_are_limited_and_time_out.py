"""Limits that keep one peer from holding up all: how many associations, and how long each may be silent."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import C_GET, IMPLICIT, STUDY_ROOT_GET, VERIFICATION, Broken, Rejected, encode_identifier
from tests.appliance import Appliance

ECHO = [(VERIFICATION, [IMPLICIT])]
REJECTED_TRANSIENT, BY_PRESENTATION, TOO_MANY = 2, 3, (1, 2)


def test_one_association_too_many_is_rejected_as_transient(start: Callable[..., Appliance]) -> None:
    appliance = start("--max-associations", "3")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(appliance.association(ECHO))
        with pytest.raises(Rejected) as rejected, appliance.association(ECHO):
            pass
        assert rejected.value.result == REJECTED_TRANSIENT
        assert rejected.value.source == BY_PRESENTATION
        assert rejected.value.reason in TOO_MANY
    with appliance.association(ECHO) as assoc:
        assert assoc.echo() == 0


def _seconds_until_closed(connection: socket.socket, limit: float = 20) -> float:
    """How long the server leaves the connection open; whatever it says in the end is not looked at."""
    connection.settimeout(limit)
    started = time.monotonic()
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return time.monotonic() - started


def test_a_connection_that_never_asks_for_an_association_is_closed(start: Callable[..., Appliance]) -> None:
    appliance = start("--artim-timeout", "1")
    with socket.create_connection(("127.0.0.1", appliance.dimse_port)) as connection:
        assert 0.5 < _seconds_until_closed(connection) < 5


def test_a_request_that_comes_byte_by_byte_is_cut_off(start: Callable[..., Appliance]) -> None:
    """The time is that for the whole request, so that a trickle of bytes cannot stretch it."""
    appliance = start("--artim-timeout", "1")
    with socket.create_connection(("127.0.0.1", appliance.dimse_port)) as connection:
        started = time.monotonic()
        with suppress(OSError):
            for byte in b"\x01\x00\x00\x00\x01\x00" + bytes(200):
                connection.sendall(bytes([byte]))
                time.sleep(0.05)
        assert time.monotonic() - started < 5


def test_an_idle_association_is_ended(start: Callable[..., Appliance]) -> None:
    appliance = start("--idle-timeout", "1")
    with closing(appliance.association(ECHO).open()) as assoc:
        assert assoc.echo() == 0
        assert 0.5 < _seconds_until_closed(assoc.socket) < 5


def test_a_stall_inside_a_message_is_ended_and_nothing_is_kept(start: Callable[..., Appliance]) -> None:
    appliance = start("--network-timeout", "1")
    template, plan = synthetic.ct(), Plan(0, 0, 0, "stall")
    contexts = [(template.sop_class_uid, [template.transfer_syntax_uid])]
    with closing(appliance.association(contexts).open()) as assoc:
        context_id = assoc.context_of(template.sop_class_uid)
        assoc.send_command(context_id, assoc.store_command(template.sop_class_uid, plan.sop_instance_uid))
        assoc.socket.sendall(_fragment(context_id, bytes(1000))[:500])
        assert 0.5 < _seconds_until_closed(assoc.socket) < 5
    time.sleep(0.2)
    assert appliance.stored_files() == []
    assert appliance.unfinished_files() == []


def test_a_peer_that_never_answers_a_sub_operation_is_given_up(start: Callable[..., Appliance]) -> None:
    appliance = start("--dimse-timeout", "1")
    template, plan = synthetic.small(), Plan(0, 0, 0, "silent")
    with appliance.association([(template.sop_class_uid, [template.transfer_syntax_uid])]) as assoc:
        data = template.data_set(plan)
        stored = assoc.store(
            template.sop_class_uid, plan.sop_instance_uid, template.transfer_syntax_uid, data
        )
        assert stored["Status"] == 0
    contexts = [(STUDY_ROOT_GET, [IMPLICIT]), (template.sop_class_uid, [template.transfer_syntax_uid])]
    getting = appliance.association(contexts, roles=[template.sop_class_uid], timeout=15)
    identifier = encode_identifier({0x00080052: "STUDY", 0x0020000D: plan.study_instance_uid})
    with closing(getting.open()):
        started = time.monotonic()
        with suppress(Broken, ConnectionError):
            responses = list(getting.query(STUDY_ROOT_GET, identifier, field=C_GET))
            assert responses[-1][0]["Status"] != 0
        assert time.monotonic() - started < 6


def test_an_aborted_association_leaves_nothing_half_written(server: Appliance) -> None:
    template = synthetic.ct()
    for number in range(20):
        plan = Plan(0, 0, number, "abort")
        assoc = server.association([(template.sop_class_uid, [template.transfer_syntax_uid])]).open()
        context_id = assoc.context_of(template.sop_class_uid)
        assoc.send_command(context_id, assoc.store_command(template.sop_class_uid, plan.sop_instance_uid))
        data = template.data_set(plan)[: 20_000 * number]
        assoc.socket.sendall(_fragment(context_id, data[:100_000]))
        assoc.abort() if number % 2 else assoc.kill()
    deadline = time.monotonic() + 5
    while server.unfinished_files() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server.unfinished_files() == []
    assert server.stored_files() == []


def _fragment(context_id: int, data: bytes) -> bytes:
    """A P-DATA-TF PDU with a fragment that is not the last."""
    item = (len(data) + 2).to_bytes(4, "big") + bytes([context_id, 0]) + data
    return b"\x04\x00" + len(item).to_bytes(4, "big") + item

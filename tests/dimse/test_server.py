"""Connections and associations that misbehave, limits, time-outs and the way down."""

from __future__ import annotations

import gc
import logging
import os
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pacs.archive.observer import AssociationChange
from pacs.dimse import message
from pacs.dimse.message import Command, CommandField
from pacs.dimse.negotiation import ProposedContext, encode_request
from pacs.dimse.pdu import RELEASE_RP, RELEASE_RQ, fragment_header
from tests.dimse.serving import (
    CT,
    VERIFICATION,
    Serving,
    encoded_data_set,
    eventually,
    requestor,
    serving,
    slice_of,
    store,
)

ABORT_BY_PROVIDER = b"\7\0\0\0\0\4\0\0\2"


def associate(sock: socket.socket, abstract_syntax: str = VERIFICATION) -> None:
    """Request an association with one context, and read that it was accepted."""
    context = ProposedContext(1, abstract_syntax, (ExplicitVRLittleEndian,))
    sock.sendall(encode_request([context], calling_ae_title="RAW", called_ae_title="PACS", max_pdu=16384))
    assert read_pdu(sock)[0] == 2


def read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            break
        data += more
    return data


def read_pdu(sock: socket.socket) -> bytes:
    head = read_exactly(sock, 6)
    return head + read_exactly(sock, int.from_bytes(head[2:], "big")) if head else b""


def command_pdu(command: Command, context_id: int = 1) -> bytes:
    data = message.encode(command)
    return fragment_header(context_id, len(data), is_command=True, is_last=True) + data


def store_request(uid: str = "1.2.3.4", message_id: int = 1) -> bytes:
    return command_pdu(
        Command(
            field=CommandField.C_STORE_RQ,
            message_id=message_id,
            sop_class_uid=CT,
            sop_instance_uid=uid,
            has_data_set=True,
            priority=0,
        )
    )


def data_pdu(data: bytes, is_last: bool = False, context_id: int = 1) -> bytes:
    return fragment_header(context_id, len(data), is_command=False, is_last=is_last) + data


def echo(sock: socket.socket) -> int:
    """C-ECHO; the status."""
    sock.sendall(command_pdu(Command(CommandField.C_ECHO_RQ, message_id=9, sop_class_uid=VERIFICATION)))
    answer = message.decode(read_pdu(sock)[12:])
    assert answer.message_id == 9
    assert answer.status is not None
    return answer.status


def test_probes_leave_no_thread_no_file_no_object_and_no_line(
    pacs: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    def probe(count: int) -> None:
        for number in range(count):
            with pacs.connect() as sock:
                if number % 3 == 1:  # as some balancers do: reset in place of an orderly end
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        eventually(lambda: threading.active_count() <= threads)
        gc.collect()

    caplog.set_level(logging.INFO)
    threads = threading.active_count()
    probe(200)
    files, objects = len(os.listdir("/proc/self/fd")), len(gc.get_objects())
    probe(2000)
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= files)
    assert len(gc.get_objects()) < objects + 200
    assert not caplog.records
    assert not pacs.recorder.changes


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: pacs\r\n\r\n",
        bytes(64),
        b"\1\0\0\0\0\4\0\0\0\0",
        RELEASE_RQ,
        b"\1\0\xff\xff\xff\xff",
    ],
)
def test_garbage_is_answered_with_abort_and_one_line(
    pacs: Serving, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pacs.connect() as sock:
        sock.sendall(garbage)
        assert read_pdu(sock).startswith(ABORT_BY_PROVIDER)
        assert sock.recv(1) == b""
    eventually(lambda: len(caplog.records) == 1)
    assert not pacs.recorder.changes


def test_a_peer_that_says_nothing_is_closed_after_artim(tmp_path: Path) -> None:
    with serving(tmp_path, artim_seconds=0.2) as pacs, pacs.connect() as sock:
        begun = time.monotonic()
        assert sock.recv(1) == b""
        assert 0.1 < time.monotonic() - begun < 3
        assert not pacs.recorder.changes


def test_a_peer_that_trickles_its_request_is_closed_after_artim(tmp_path: Path) -> None:
    with serving(tmp_path, artim_seconds=0.3) as pacs, pacs.connect() as sock:
        begun = time.monotonic()
        with pytest.raises(ConnectionError):
            _trickle(sock, b"\1\0\0\0\1\0" + bytes(200))
        assert time.monotonic() - begun < 3


def _trickle(sock: socket.socket, data: bytes) -> None:
    for byte in data:
        sock.sendall(bytes((byte,)))
        time.sleep(0.05)


def test_an_idle_association_is_aborted(tmp_path: Path) -> None:
    with serving(tmp_path, idle_seconds=0.2) as pacs, pacs.connect() as sock:
        associate(sock)
        assert read_pdu(sock).startswith(ABORT_BY_PROVIDER)
        assert "time-out" in pacs.recorder.wait_for(AssociationChange.ABORTED)


def test_a_stall_inside_a_message_is_aborted_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, network_seconds=0.2) as pacs, pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(store_request() + data_pdu(bytes(5000)))
        assert read_pdu(sock).startswith(ABORT_BY_PROVIDER)
        pacs.wait_idle()
        assert not pacs.stored()
        assert not pacs.unfinished()


@pytest.mark.parametrize("cut", [1, 30, 100, 200, 700, 40_000])
def test_a_peer_that_disappears_in_the_middle_of_a_store_leaves_nothing(pacs: Serving, cut: int) -> None:
    message_bytes = store_request() + data_pdu(bytes(30_000)) + data_pdu(bytes(20_000), is_last=True)
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(message_bytes[:cut])
        time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pacs.wait_idle()
    pacs.recorder.wait_for(AssociationChange.ABORTED)
    assert not pacs.stored()
    assert not pacs.unfinished()
    assert not pacs.recorder.operations


@pytest.mark.parametrize(
    "breach",
    [
        b"\4\0\x7f\xff\xff\xff\0\0\0\0",
        data_pdu(b"data without a command"),
        store_request() + store_request(),
        store_request() + data_pdu(b"other context", context_id=3),
        store_request() + RELEASE_RQ,
        command_pdu(Command(CommandField.C_ECHO_RQ, sop_class_uid=VERIFICATION), context_id=99),
        fragment_header(1, 4, is_command=True, is_last=True) + b"oops",
        RELEASE_RP,
    ],
    ids=[
        "huge PDU",
        "no command",
        "command for data",
        "context",
        "release",
        "unknown context",
        "no command set",
        "RP",
    ],
)
def test_a_breach_of_the_protocol_is_aborted(pacs: Serving, breach: bytes) -> None:
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(breach)
        assert read_pdu(sock)[:1] == b"\7"
        assert sock.recv(1) == b""
    assert "protocol" in pacs.recorder.wait_for(AssociationChange.ABORTED)
    assert not pacs.stored()
    assert not pacs.unfinished()


def test_one_association_too_many_is_rejected_as_a_passing_shortage(tmp_path: Path) -> None:
    with serving(tmp_path, max_associations=2) as pacs:
        socks = [pacs.connect() for _ in range(3)]
        silent = [pacs.connect() for _ in range(5)]
        associate(socks[0])
        associate(socks[1])
        context = ProposedContext(1, VERIFICATION, (ExplicitVRLittleEndian,))
        request = encode_request([context], calling_ae_title="RAW", called_ae_title="PACS", max_pdu=16384)
        socks[2].sendall(request)
        assert read_pdu(socks[2]) == b"\3\0\0\0\0\4\0\2\3\2"
        assert "local limit" in pacs.recorder.wait_for(AssociationChange.REJECTED)
        socks[0].sendall(RELEASE_RQ)
        assert read_pdu(socks[0]) == RELEASE_RP
        eventually(lambda: pacs.server.active == 1)
        with pacs.connect() as sock:
            associate(sock)
            assert pacs.server.active == 2
            assert sorted(caller.calling_ae_title for caller in pacs.server.callers()) == ["RAW", "RAW"]
        for one in socks + silent:
            one.close()


def test_connections_beyond_all_limits_are_closed_and_do_not_take_threads(tmp_path: Path) -> None:
    with serving(tmp_path, max_associations=1) as pacs:
        before = threading.active_count()
        socks = [pacs.connect() for _ in range(120)]
        eventually(lambda: threading.active_count() - before == 33)
        time.sleep(0.1)
        assert threading.active_count() - before == 33
        for sock in socks:
            sock.close()
        eventually(lambda: threading.active_count() == before)
        with pacs.connect() as sock:
            associate(sock)


def test_requests_that_came_together_are_answered_in_order(pacs: Serving) -> None:
    with pacs.connect() as sock:
        associate(sock)
        request = command_pdu(Command(CommandField.C_ECHO_RQ, message_id=1, sop_class_uid=VERIFICATION))
        other = command_pdu(Command(CommandField.C_ECHO_RQ, message_id=2, sop_class_uid=VERIFICATION))
        sock.sendall(request + other + RELEASE_RQ)
        assert message.decode(read_pdu(sock)[12:]).message_id == 1
        assert message.decode(read_pdu(sock)[12:]).message_id == 2
        assert read_pdu(sock) == RELEASE_RP
    pacs.recorder.wait_for(AssociationChange.RELEASED)


def test_a_request_that_nobody_serves_is_answered_as_unrecognized(pacs: Serving) -> None:
    with pacs.connect() as sock:
        associate(sock)
        sock.sendall(
            command_pdu(Command(0x0130, message_id=5, sop_class_uid=VERIFICATION, has_data_set=True))
        )
        sock.sendall(data_pdu(b"1234", is_last=True))
        answer = message.decode(read_pdu(sock)[12:])
        assert (answer.field, answer.status, answer.message_id) == (0x8130, 0x0211, 5)
        assert echo(sock) == 0


def test_a_late_cancel_is_ignored(pacs: Serving) -> None:
    with pacs.connect() as sock:
        associate(sock)
        sock.sendall(command_pdu(Command(CommandField.C_CANCEL_RQ, message_id=5)))
        assert echo(sock) == 0


def test_shutdown_lets_a_running_store_end_and_refuses_the_next(tmp_path: Path) -> None:
    ds = slice_of()
    with serving(tmp_path) as pacs:
        store(pacs, slice_of())
        with pacs.connect() as sock, pacs.connect() as idle:
            associate(sock, CT)
            associate(idle)
            encoded = encoded_data_set(ds)
            request = store_request(ds.SOPInstanceUID)
            sock.sendall(request + data_pdu(encoded[:1000]))
            time.sleep(0.1)
            stopping = threading.Thread(target=pacs.server.shutdown, args=(10,))
            stopping.start()
            assert read_pdu(idle).startswith(ABORT_BY_PROVIDER)
            time.sleep(0.1)
            sock.sendall(data_pdu(encoded[1000:], is_last=True))
            assert message.decode(read_pdu(sock)[12:]).status == 0
            sock.sendall(store_request(message_id=2))
            assert read_pdu(sock).startswith(ABORT_BY_PROVIDER)
            stopping.join(10)
            assert not stopping.is_alive()
        assert len(pacs.stored()) == 2
        with pytest.raises(OSError):  # noqa: PT011
            pacs.connect()


def test_shutdown_cuts_what_does_not_end(tmp_path: Path) -> None:
    with serving(tmp_path, network_seconds=60) as pacs, pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(store_request() + data_pdu(bytes(1000)))
        time.sleep(0.1)
        begun = time.monotonic()
        pacs.server.shutdown(0.3)
        assert 0.2 < time.monotonic() - begun < 3
        assert not pacs.stored()
        assert not pacs.unfinished()


def test_a_store_in_pieces_of_any_size_is_whole(pacs: Serving) -> None:
    ds = slice_of(padding=100_000)
    encoded = encoded_data_set(ds)
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(store_request(ds.SOPInstanceUID))
        step = 7001
        for start in range(0, len(encoded), step):
            piece = encoded[start : start + step]
            sock.sendall(data_pdu(piece, is_last=start + step >= len(encoded)))
        assert message.decode(read_pdu(sock)[12:]).status == 0
    (path,) = pacs.stored()
    assert path.read_bytes().endswith(encoded)


def test_an_established_association_survives_a_hundred_echoes(pacs: Serving) -> None:
    assoc = requestor(pacs, (VERIFICATION, [ImplicitVRLittleEndian]))
    assert all(assoc.send_c_echo().Status == 0 for _ in range(100))
    assoc.release()
    pacs.recorder.wait_for(AssociationChange.RELEASED)

"""The PDU stream: the same events whatever the pieces, and no harm from arbitrary bytes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dimse.pdu import (
    MAX_ASSOCIATE_BYTES,
    RELEASE_RP,
    RELEASE_RQ,
    Abort,
    AbortReason,
    AbortSource,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Event,
    Invalid,
    PData,
    PDUStream,
    ReleaseRP,
    ReleaseRQ,
    encode_abort,
    encode_p_data,
    encode_reject,
    fragment_header,
)

Plain = tuple[object, ...]


def feed(stream: PDUStream, data: bytes, pieces: Iterable[int] = ()) -> list[Event]:
    """All events of ``data``, received in pieces of the given sizes; P-DATA is copied out at once."""
    events: list[Event] = []
    sizes = iter(pieces)
    position = 0
    while position < len(data):
        space = stream.space()
        count = min(next(sizes, len(space)), len(space), len(data) - position)
        space[:count] = data[position : position + count]
        stream.received(count)
        position += count
        while (event := stream.next_event()) is not None:
            if isinstance(event, PData):
                event = PData(
                    event.context_id, event.is_command, event.is_last, memoryview(bytes(event.data))
                )
            events.append(event)
            if isinstance(event, Invalid):
                return events
    return events


def messages(events: Iterable[Event]) -> list[Plain]:
    """Events with the pieces of each value put together."""
    found: list[Plain] = []
    gathered = b""
    for event in events:
        if isinstance(event, PData):
            gathered += bytes(event.data)
            if event.is_last:
                found.append((event.context_id, event.is_command, gathered))
                gathered = b""
        else:
            found.append((event,))
    return found


def associate(kind: int, body: bytes) -> bytes:
    return bytes((kind, 0)) + len(body).to_bytes(4, "big") + body


values = st.tuples(
    st.integers(0, 127).map(lambda n: 2 * n + 1),
    st.booleans(),
    st.binary(max_size=200),
    st.integers(128, 300),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Plain]]:
    data, expected = b"", list[Plain]()
    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["data", "rq", "release", "abort", "reject"]))
        if kind == "data":
            context_id, is_command, value, limit = draw(values)
            data += b"".join(encode_p_data(context_id, value, limit, is_command=is_command))
            expected.append((context_id, is_command, value))
        elif kind == "rq":
            body = draw(st.binary(max_size=150))
            data += associate(1, body)
            expected.append((AssociateRQ(associate(1, body)),))
        elif kind == "release":
            data += RELEASE_RQ + RELEASE_RP
            expected += [(ReleaseRQ(),), (ReleaseRP(),)]
        elif kind == "abort":
            data += encode_abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)
            expected.append((Abort(2, 2),))
        else:
            data += encode_reject(1, 1, 7)
            expected.append((AssociateRJ(1, 1, 7),))
    return data, expected


@given(streams(), st.lists(st.integers(1, 40)), st.integers(12, 400))
def test_events_do_not_depend_on_how_the_bytes_are_cut(
    stream: tuple[bytes, list[Plain]], pieces: list[int], capacity: int
) -> None:
    data, expected = stream
    assert messages(feed(PDUStream(16384, capacity), data, pieces)) == expected


def test_every_split_in_two_gives_the_same_events() -> None:
    data = (
        associate(2, b"x" * 30)
        + b"".join(encode_p_data(3, b"abcdef" * 40, 128, is_command=False))
        + RELEASE_RQ
    )
    expected: list[Plain] = [
        (AssociateAC(associate(2, b"x" * 30)),),
        (3, False, b"abcdef" * 40),
        (ReleaseRQ(),),
    ]
    for cut in range(1, len(data)):
        assert messages(feed(PDUStream(128), data, [cut])) == expected


@given(st.binary(max_size=400), st.lists(st.integers(1, 50)))
@settings(max_examples=300)
def test_arbitrary_bytes_give_events_or_invalid_and_never_an_error(data: bytes, pieces: list[int]) -> None:
    feed(PDUStream(1024, 64), data, pieces)


@given(streams(), st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_never_makes_an_error(
    stream: tuple[bytes, list[Plain]], place: int, value: int
) -> None:
    data = bytearray(stream[0])
    data[place % len(data)] = value
    feed(PDUStream(1024, 64), bytes(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", AbortReason.UNRECOGNIZED_PDU),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00", AbortReason.UNRECOGNIZED_PDU),
        (b"\x04\x00\x7f\xff\xff\xff" + bytes(20), AbortReason.INVALID_PDU_PARAMETER),
        (b"\x04\x00\x00\x00\x00\x05" + bytes(20), AbortReason.INVALID_PDU_PARAMETER),
        (b"\x05\x00\x00\x00\x00\x09" + bytes(9), AbortReason.INVALID_PDU_PARAMETER),
        (b"\x01\x00" + (MAX_ASSOCIATE_BYTES + 1).to_bytes(4, "big"), AbortReason.INVALID_PDU_PARAMETER),
        # a PDV longer than its PDU, one too short for its own header, and a PDU that ends inside a PDV header
        (b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x20\x01\x03" + bytes(40), AbortReason.INVALID_PDU_PARAMETER),
        (b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x01\x01\x03" + bytes(40), AbortReason.INVALID_PDU_PARAMETER),
        (b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x04\x01\x03" + bytes(40), AbortReason.INVALID_PDU_PARAMETER),
    ],
)
def test_what_is_no_pdu_is_invalid_for_the_standards_reason(data: bytes, reason: AbortReason) -> None:
    events = feed(PDUStream(16384), data)
    assert isinstance(events[-1], Invalid)
    assert events[-1].reason == reason


def test_nothing_follows_what_is_invalid() -> None:
    stream = PDUStream(16384)
    feed(stream, b"\x09" + bytes(50))
    assert isinstance(stream.next_event(), Invalid)
    feed(stream, RELEASE_RQ)
    assert isinstance(stream.next_event(), Invalid)


def test_a_pdu_longer_than_the_buffer_is_handed_out_piece_by_piece() -> None:
    value = bytes(range(256)) * 100
    data = b"".join(encode_p_data(1, value, 0, is_command=False))
    events = feed(PDUStream(0, 1000), data)
    assert len(events) > 20
    assert messages(events) == [(1, False, value)]


def test_no_fragment_exceeds_the_peers_limit() -> None:
    for part in encode_p_data(1, bytes(1000), 128, is_command=True):
        assert len(part) <= 128


def test_an_empty_value_that_ends_a_data_set_is_an_event() -> None:
    data = fragment_header(5, 3, is_command=False, is_last=False) + b"abc"
    data += fragment_header(5, 0, is_command=False, is_last=True)
    assert messages(feed(PDUStream(16384), data)) == [(5, False, b"abc")]

"""Data sets cut into PDUs: whatever size and limit, the peer puts the same bytes together again."""

from __future__ import annotations

import tempfile
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dimse import fragment
from pacs.dimse.fragment import FragmentBuffer
from pacs.dimse.pdu import PData, PDUStream
from pacs.errors import UnreadableDataSet


def received(sent: bytes, max_pdu: int) -> tuple[bytes, set[int], int]:
    """The value, the context IDs and how many times a last piece came, as the peer sees it."""
    stream = PDUStream(max_pdu, 4096)
    value, contexts, ends = b"", set[int](), 0
    for start in range(0, len(sent), 4096):
        position = start
        while position < min(start + 4096, len(sent)):
            space = stream.space()
            count = min(len(space), start + 4096 - position, len(sent) - position)
            space[:count] = sent[position : position + count]
            stream.received(count)
            position += count
            while (event := stream.next_event()) is not None:
                assert isinstance(event, PData)
                assert not event.is_command
                value += event.data
                contexts.add(event.context_id)
                ends += event.is_last
    return value, contexts, ends


def file_of(data: bytes) -> BinaryIO:
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    file.write(data)
    file.flush()
    return file


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.sampled_from([1, 3, 255])), min_size=1, max_size=5),
    st.sampled_from([0, 128, 200, 1000, 16384]),
    st.integers(0, 100),
    st.integers(300, 3000),
)
@settings(deadline=None)
def test_what_is_sent_is_the_file_from_its_offset(
    sizes: list[tuple[int, int]], max_pdu: int, offset: int, room: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fragment, "BUFFER_BYTES", room)
        buffer = FragmentBuffer(max_pdu)
        for size, context_id in sizes:
            data = bytes(number % 251 for number in range(size))
            with file_of(bytes(offset) + data) as file:
                sent, done = b"", 0
                while True:
                    sent += buffer.fill(file, offset + done, size - done, context_id)
                    done += buffer.capacity
                    if done >= size:
                        break
            assert received(sent, max_pdu) == (data, {context_id}, 1)


def test_a_file_that_is_too_short_is_unreadable() -> None:
    buffer = FragmentBuffer(16384)
    with file_of(bytes(1000)) as file, pytest.raises(UnreadableDataSet):
        buffer.fill(file, 500, 600, 1)


def test_memory_is_that_of_the_buffer_whatever_the_limit() -> None:
    for limit in (0, 128, 16384, 131072, 2**31):
        assert 100_000 <= FragmentBuffer(limit).capacity <= fragment.BUFFER_BYTES

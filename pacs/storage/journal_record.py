"""Records of the journal, and how they lie in a segment. Pure.

A segment begins with ``MAGIC``; zeros follow what was written of it. A frame is a head, the record as
MessagePack, and the bytes of the object where the record carries them. The CRC-32 in the head covers both
but not the state, one byte that is overwritten in place. What is torn, or zeros, ends a segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TypeAlias
from zlib import crc32

import msgspec

from pacs.dicom.location import Location

MAGIC = b"PACSJRN2"
LONGEST_RECORD = 1 << 20
"""Bytes of a frame at most."""

_HEAD = Struct("<IIIB")
HEAD_BYTES = _HEAD.size
STATE_OFFSET = HEAD_BYTES - 1
"""Where in a frame its state is."""


class State(IntEnum):
    """How far what a record tells has come."""

    ANNOUNCED = 1
    """The object may be in its place or not; its sender was not answered yet."""
    IN_PLACE = 2
    """The object is in its place, and the record may be acted on."""
    WITHDRAWN = 3
    """Nothing came of it: the record counts no more."""
    DONE = 4
    """The index holds it, and the object is durable by itself."""


class Addition(msgspec.Struct, frozen=True, tag="add", array_like=True):
    """An instance is stored at, or lies at, ``uri`` and is to be indexed.

    ``header`` is its header in packed form; empty where it has to be read from the object.
    """

    uri: str
    transfer_syntax_uid: str
    size: int
    mtime_ns: int
    header: bytes = b""

    @property
    def location(self) -> Location:
        """Where the instance is."""
        return Location(self.uri, self.transfer_syntax_uid, self.size, self.mtime_ns)


class Removal(msgspec.Struct, frozen=True, tag="remove", array_like=True):
    """An instance is to be taken out of the index, and its object at ``uri`` to be deleted."""

    sop_instance_uid: str
    uri: str


Record: TypeAlias = Addition | Removal
Content: TypeAlias = "bytes | bytearray | None"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


@dataclass(frozen=True, slots=True)
class Frame:
    """A record as read: ``content`` is the whole object, or empty; ``start`` and ``end`` are offsets."""

    record: Record
    content: bytes
    state: int
    start: int
    end: int


def encode_record(record: Record, content: Content = None, state: State = State.IN_PLACE) -> bytes:
    """``record`` in its frame."""
    payload = _encode(record)
    checksum = crc32(payload)
    if not content:
        return _HEAD.pack(len(payload), 0, checksum, state) + payload
    head = _HEAD.pack(len(payload), len(content), crc32(content, checksum), state)
    return b"".join((head, payload, content))


def frame_bytes(head: bytes) -> int:
    """How long the frame with ``head`` is; 0 where there is none."""
    if len(head) < HEAD_BYTES:
        return 0
    length, content_length, _, _ = _HEAD.unpack(head)
    return HEAD_BYTES + int(length) + int(content_length) if length else 0


def decode_records(data: bytes, start: int = 0) -> Iterator[Frame]:
    """The whole frames of ``data`` from ``start`` on; stops at a torn one."""
    position = start
    whole = memoryview(data)
    while position + HEAD_BYTES <= len(data):
        length, content_length, checksum, state = _HEAD.unpack_from(data, position)
        begin = position + HEAD_BYTES
        middle = begin + length
        end = middle + content_length
        if not length or end - position > LONGEST_RECORD or end > len(data):
            return
        if crc32(whole[begin:end]) != checksum:
            return
        try:
            record = _decode(whole[begin:middle])
        except msgspec.MsgspecError:
            return
        yield Frame(record, data[middle:end], state, position, end)
        position = end

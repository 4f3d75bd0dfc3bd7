"""Headers as compact bytes and back: what an index stores of an entity.

The form is MessagePack: an array of a map of tags to values, and, where there are any, the tags among them
that are sequences, and a map of tags to VRs. A sequence is an array of items, each an array alike. Indices
keep these bytes: a change of the form needs a new schema version of the index.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from pacs.dicom.header import Header, Value
from pacs.errors import IndexUnavailable

_DAMAGED = "The index is damaged. Run `pacs rebuild` to make it anew from storage."

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Pairs(NamedTuple):
    """Some attributes of a header, packed: for those that come again with the next header."""

    size: int
    packed: bytes
    sequences: tuple[int, ...]


def pack(header: Header) -> bytes:
    """``header`` as bytes."""
    return _encode(_parts(header))


def pairs(values: dict[int, Value]) -> Pairs:
    """A part of the attributes of a header, to be ``joined``."""
    sequences = tuple([tag for tag, value in values.items() if value.__class__ is tuple])
    content: dict[int, Any] = values
    if sequences:
        content = dict(values)
        for tag in sequences:
            content[tag] = [_parts(item) for item in content[tag]]
    return Pairs(len(content), _encode(content)[len(_map_head(len(content))) :], sequences)


def joined(parts: Sequence[Pairs], vrs: dict[int, str]) -> bytes:
    """What ``pack`` makes of a header of all of ``parts``, which share no tag, and ``vrs``."""
    content = _map_head(sum([part.size for part in parts])) + b"".join([part.packed for part in parts])
    sequences = [tag for part in parts for tag in part.sequences]
    if vrs:
        return b"\x93" + content + _encode(sequences) + _encode(vrs)
    return b"\x92" + content + _encode(sequences) if sequences else b"\x91" + content


def _map_head(count: int) -> bytes:
    """How a MessagePack map of so many pairs begins."""
    if count < 16:
        return bytes((0x80 | count,))
    return struct.pack(">BH", 0xDE, count) if count < 65536 else struct.pack(">BI", 0xDF, count)


def unpack(packed: bytes | bytearray | memoryview) -> Header:
    """The header that ``pack`` made ``packed`` of. Raises IndexUnavailable for any other bytes."""
    try:
        parts = _decode(packed)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise IndexUnavailable(_DAMAGED) from None
    return header_of(parts)


def header_of(parts: Any) -> Header:
    """The header of what is decoded of packed bytes. Raises IndexUnavailable where that makes none."""
    try:
        return _header(parts)
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, RecursionError):
        raise IndexUnavailable(_DAMAGED) from None


def _parts(header: Header) -> list[Any]:
    values: dict[int, Any] = header.values
    sequences = [tag for tag, value in values.items() if value.__class__ is tuple]
    if sequences:
        values = dict(values)
        for tag in sequences:
            values[tag] = [_parts(item) for item in values[tag]]
    if header.vrs:
        return [values, sequences, header.vrs]
    return [values, sequences] if sequences else [values]


def _header(parts: list[Any]) -> Header:
    values = parts[0]
    if len(parts) == 1:
        return Header(values)
    for tag in parts[1]:
        values[tag] = tuple([_header(item) for item in values[tag]])
    return Header(values, parts[2]) if len(parts) == 3 else Header(values)

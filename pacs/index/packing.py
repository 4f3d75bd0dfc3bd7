"""Headers as compact bytes and back: what an index stores of an entity.

The form is MessagePack: an array of a map of tags to values, and, where there are any, the tags among them
that are sequences, and a map of tags to VRs. A sequence is an array of items, each an array alike. Indices
keep these bytes: a change of the form needs a new schema version of the index.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pacs.dicom.header import Header
from pacs.errors import IndexUnavailable

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def pack(header: Header) -> bytes:
    """``header`` as bytes."""
    return _encode(_parts(header))


def unpack(packed: bytes | bytearray | memoryview) -> Header:
    """The header that ``pack`` made ``packed`` of. Raises IndexUnavailable for any other bytes."""
    try:
        return _header(_decode(packed))
    except (msgspec.DecodeError, TypeError, KeyError, ValueError, AttributeError, IndexError, RecursionError):
        raise IndexUnavailable(
            "The index is damaged. Run `pacs rebuild` to make it anew from storage."
        ) from None


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

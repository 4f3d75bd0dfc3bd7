"""Are two objects of one SOP Instance UID the same instance?"""

from __future__ import annotations

from typing import BinaryIO

from pacs.archive.wholeness import pixel_data_at
from pacs.dicom.file_meta import header_of_file, read_file_meta
from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.errors import UnreadableDataSet

BLOCK_BYTES = 1 << 20


def same_instance(first: BinaryIO, second: BinaryIO) -> bool:
    """Whether two Part 10 files, each at its beginning, hold the same instance.

    In one transfer syntax: the same bytes of data set. In two: the same attributes before the pixel data,
    and where neither is encapsulated or big endian, the same bytes of pixel data after them. Pixel data
    compressed by one sender and not by another is not decoded to compare it.
    """
    try:
        one, other = read_file_meta(first), read_file_meta(second)
        if one.transfer_syntax_uid == other.transfer_syntax_uid:
            return _same_bytes(first, second)
        first.seek(0)
        second.seek(0)
        return _same_content(first, second)
    except UnreadableDataSet:
        return False


def _same_content(first: BinaryIO, second: BinaryIO) -> bool:
    (one, header), (other, other_header) = header_of_file(first), header_of_file(second)
    if header.values != other_header.values:
        return False
    syntaxes = [transfer_syntax(meta.transfer_syntax_uid) for meta in (one, other)]
    if any(syntax.encapsulated or syntax.deflated or syntax.big_endian for syntax in syntaxes):
        return True
    return _same_pixels(first, one.transfer_syntax_uid, second, other.transfer_syntax_uid)


def _same_bytes(first: BinaryIO, second: BinaryIO) -> bool:
    while True:
        block, other = _read(first), _read(second)
        if block != other:
            return False
        if not block:
            return True


def _read(file: BinaryIO) -> bytes:
    """The next block, whole but at the end: an unbuffered file may return less than asked for."""
    parts = []
    wanted = BLOCK_BYTES
    while wanted:
        part = file.read(wanted)
        if not part:
            break
        parts.append(part)
        wanted -= len(part)
    return b"".join(parts)


def _same_pixels(first: BinaryIO, first_syntax: str, second: BinaryIO, second_syntax: str) -> bool:
    places = []
    for file, syntax in ((first, first_syntax), (second, second_syntax)):
        file.seek(0)
        read_file_meta(file)
        start = file.tell()
        places.append(pixel_data_at(file, start, file.seek(0, 2), syntax))
    one, other = places
    if one is None or other is None:
        return one is other
    first.seek(one)
    second.seek(other)
    return _same_bytes(first, second)

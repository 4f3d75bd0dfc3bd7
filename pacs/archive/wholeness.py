"""Is a data set in a file whole? Walks its outermost elements by their lengths (PS3.5 section 7).

A network peer tells where a data set ends; a file that was cut off does not. Values are not read.
"""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from pacs.dicom.transfer_syntax import TransferSyntax, transfer_syntax
from pacs.errors import UnreadableDataSet

_PIXEL_DATA = 0x7FE00010
_LAST_PIXEL_TAGS = (0x7FE00008, 0x7FE00009, _PIXEL_DATA)
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_WINDOW_BYTES = 64 * 1024


def check_whole(file: BinaryIO, start: int, end: int, transfer_syntax_uid: str) -> None:
    """Raise UnreadableDataSet where the data set from ``start`` does not end with an element at ``end``."""
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        _check_deflated(file, start)
        return
    file.seek(start)
    if _ends_with_pixel_data(file.read(_WINDOW_BYTES), end - start, syntax):
        return
    walk = _Walk(file, start, end, syntax)
    while walk.position < end:
        walk.step()


def pixel_data_at(file: BinaryIO, start: int, end: int, transfer_syntax_uid: str) -> int | None:
    """Where the value of the first pixel data element begins in the file; None where there is none.

    For native, not deflated, transfer syntaxes. Raises UnreadableDataSet.
    """
    walk = _Walk(file, start, end, transfer_syntax(transfer_syntax_uid))
    while walk.position < end:
        tag, value_at = walk.step()
        if tag in _LAST_PIXEL_TAGS:
            return value_at
    return None


def _ends_with_pixel_data(data: bytes, size: int, syntax: TransferSyntax) -> bool:
    """The common case, without a walk: native pixel data that fills the file to its last byte."""
    order = ">" if syntax.big_endian else "<"
    at = data.rfind(struct.pack(order + "HH", _PIXEL_DATA >> 16, _PIXEL_DATA & 0xFFFF))
    if at < 0:
        return False
    header = 12 if syntax.explicit else 8
    if at + header > len(data) or (syntax.explicit and data[at + 4 : at + 6] not in (b"OW", b"OB")):
        return False
    (length,) = struct.unpack_from(order + "I", data, at + header - 4)
    return bool(at + header + length == size)


def _check_deflated(file: BinaryIO, start: int) -> None:
    file.seek(start)
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflate.eof:
            block = file.read(1 << 20)
            if not block:
                raise UnreadableDataSet("The file is cut off within the deflated data set.")
            while block and not inflate.eof:
                inflate.decompress(block, 1 << 20)
                block = inflate.unconsumed_tail
    except zlib.error as error:
        raise UnreadableDataSet("The deflated data set cannot be inflated.") from error


class _Walk:
    """Steps from element to element, reading a window of the file at a time."""

    def __init__(self, file: BinaryIO, start: int, end: int, syntax: TransferSyntax) -> None:
        self.position = start
        self._file = file
        self._end = end
        self._explicit = syntax.explicit
        order = ">" if syntax.big_endian else "<"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "I")
        self._window = b""
        self._window_at = start

    def step(self) -> tuple[int, int]:
        """Pass one element with its value; its tag, and where the value begins."""
        tag, length, value_at = self._element(self._explicit)
        if length == _UNDEFINED:
            self._pass_items(value_at)
        else:
            self._advance(value_at, length)
        return tag, value_at

    def _element(self, explicit: bool) -> tuple[int, int, int]:
        head = self._read(self.position, 8)
        group, element = self._tag.unpack_from(head)
        tag = group << 16 | element
        if not explicit or group == 0xFFFE:
            return tag, self._long.unpack_from(head, 4)[0], self.position + 8
        if head[4:6] in _LONG_VRS:
            return tag, self._long.unpack(self._read(self.position + 8, 4))[0], self.position + 12
        if not (head[4:5].isalpha() and head[5:6].isalpha()):
            # Files exist that are implicit in spite of their transfer syntax; readers accept them.
            return tag, self._long.unpack_from(head, 4)[0], self.position + 8
        return tag, self._short.unpack_from(head, 6)[0], self.position + 8

    def _pass_items(self, at: int) -> None:
        """Pass what has no length, to the delimiter that ends it. Depth is counted, not recursed into."""
        self.position = at
        depth = 1
        while depth:
            tag, length, value_at = self._element(self._explicit)
            if tag in (_ITEM_END, _SEQUENCE_END):
                depth -= 1
                self.position = value_at
            elif length == _UNDEFINED:
                depth += 1
                self.position = value_at
            else:
                self._advance(value_at, length)

    def _advance(self, value_at: int, length: int) -> None:
        if value_at + length > self._end:
            raise UnreadableDataSet("The file is cut off: an element is shorter than it says.")
        self.position = value_at + length

    def _read(self, at: int, size: int) -> bytes:
        if at + size > self._end:
            raise UnreadableDataSet("The file is cut off within an element.")
        offset = at - self._window_at
        if offset < 0 or offset + size > len(self._window):
            self._file.seek(at)
            self._window = self._file.read(_WINDOW_BYTES)
            self._window_at, offset = at, 0
        if offset + size > len(self._window):
            raise UnreadableDataSet("The file is cut off within an element.")
        return self._window[offset : offset + size]

"""Reads the header of an encoded data set (PS3.5 section 7), quickly and with bounded effort.

The header is everything before the pixel data, as text. Bulk data is skipped, and so are values longer
than ``MAX_VALUE`` and sequences whose encoding is longer than ``MAX_SEQUENCE``. Bytes from outside are
never trusted: whatever they are, they give a ``Header`` or ``UnreadableDataSet``.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import BinaryIO

from pacs.dicom.element_layout import Layout, fitting_layout, layout_of
from pacs.dicom.element_memory import Memory
from pacs.dicom.element_reader import MAX_ELEMENTS, ElementReader, Ended, Malformed
from pacs.dicom.header import Header
from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.errors import HeaderIncomplete, UnreadableDataSet

MAX_HEADER = 64 * 1024 * 1024
"""Bytes of one sequence of undefined length, or of a deflated header, that are read from a file."""

MAX_INFLATED = 16 * 1024 * 1024
"""Bytes that the header of a deflated data set may take when inflated."""

_FIRST_PIECE = 64 * 1024

_CUT_SHORT = "The data set ends in the middle of an element; send it again, whole."


@cache
def _memory() -> Memory:
    return Memory()


def read_header(data: bytes | bytearray | memoryview, transfer_syntax_uid: str, *, complete: bool) -> Header:
    """The header of the data set that ``data`` is, or begins with where ``complete`` is False.

    Raises HeaderIncomplete when ``complete`` is False and more bytes are needed, UnreadableDataSet when the
    bytes are no data set of this transfer syntax. Elements out of order are tolerated, and put in order.
    """
    raw = data if isinstance(data, bytes) else bytes(data)
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        return _read_deflated(raw, complete)
    return _read(raw, layout_of(syntax.explicit, syntax.big_endian), complete)


def _read(raw: bytes, announced: Layout, complete: bool) -> Header:
    reader = ElementReader(raw, memory=_memory())
    header = Header()
    try:
        reader.data_set(header, fitting_layout(raw, announced))
    except Ended as ended:
        if complete:
            raise UnreadableDataSet(_CUT_SHORT) from None
        raise HeaderIncomplete("The header goes on after these bytes; read more.", ended.needed) from None
    except Malformed as malformed:
        raise UnreadableDataSet(f"The bytes are no data set: {malformed}.") from None
    if not complete and not reader.finished:
        raise HeaderIncomplete("The header may go on after these bytes; read more.", len(raw) + 8)
    return header


def _read_deflated(raw: bytes, complete: bool) -> Header:
    """The header of a deflated data set (PS3.5 section A.5), as far as ``MAX_INFLATED`` reaches."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(raw, MAX_INFLATED)
    except zlib.error:
        raise UnreadableDataSet("The data set is announced as deflated but cannot be inflated.") from None
    try:
        return _read(inflated, layout_of(True, False), complete or stream.eof)
    except HeaderIncomplete as error:
        raise HeaderIncomplete(str(error), len(raw) + 1) from None


def read_header_from(file: BinaryIO, transfer_syntax_uid: str) -> Header:
    """The header of the data set that begins where the seekable ``file`` stands.

    Long values are passed by seeking: memory does not grow with them. Raises UnreadableDataSet.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        return _read_deflated(file.read(MAX_HEADER), True)
    start, size = file.tell(), _FIRST_PIECE
    header, budget = Header(), MAX_ELEMENTS
    layout: Layout | None = None
    while True:
        file.seek(start)
        data = file.read(size)
        at_end = len(data) < size
        layout = layout or fitting_layout(data, layout_of(syntax.explicit, syntax.big_endian))
        reader = ElementReader(data, budget, _memory())
        try:
            reader.data_set(header, layout)
        except Malformed as malformed:
            raise UnreadableDataSet(f"The bytes are no data set: {malformed}.") from None
        except Ended:
            if at_end:
                raise UnreadableDataSet(_CUT_SHORT) from None
        else:
            if reader.finished or at_end:
                return header
        # A piece that brought no element to its end must be longer.
        start += reader.resume
        size = _FIRST_PIECE if reader.resume else size * 4
        budget = reader.budget
        if size > MAX_HEADER:
            raise UnreadableDataSet("A sequence of the header is too long to be read.")

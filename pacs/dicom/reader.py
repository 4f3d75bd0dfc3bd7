"""Reads the header of an encoded data set (PS3.5 section 7), quickly and with bounded effort.

The header is everything before the pixel data, as text. Bulk data is skipped, and so are values longer
than ``MAX_VALUE`` and sequences whose encoding is longer than ``MAX_SEQUENCE``. Bytes from outside are
never trusted: whatever they are, they give a ``Header`` or ``UnreadableDataSet``.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, NoReturn

from pacs.dicom import tags
from pacs.dicom.attribute import (
    BULK_VRS,
    SINGLE_TEXT_VRS,
    STRING_VRS,
    TEXT_VRS,
    VRS,
    signed_or_unsigned,
    vr_dictionary,
)
from pacs.dicom.charset import decode
from pacs.dicom.element_value import NumberReader, number_readers, tidy
from pacs.dicom.header import Header, Value
from pacs.dicom.private import private_vr
from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.errors import HeaderIncomplete, UnreadableDataSet

MAX_VALUE = 16 * 1024
"""Bytes of a value; a longer one is not held."""

MAX_SEQUENCE = 256 * 1024
"""Bytes of an outermost sequence with all that is in it; a longer one is not held."""

MAX_DEPTH = 24
"""Sequences within sequences; deeper ones are not held."""

MAX_ELEMENTS = 500_000
"""Elements, items and delimiters that a reader passes; the data set of a longer header is refused."""

MAX_INFLATED = 16 * 1024 * 1024
"""Bytes that the header of a deflated data set may take when inflated."""

MAX_HEADER = 64 * 1024 * 1024
"""Bytes of a header, without the long values in it, that are read from a file."""

_FIRST_PIECE = 64 * 1024
_UNDEFINED = 0xFFFFFFFF
_LAST_HEADER_TAG = tags.FLOAT_PIXEL_DATA
_LATE_GROUP = 0x52000000
"""From here on (functional groups, waveforms, overlays) a part too long to hold ends the header."""

_LONG_VRS = BULK_VRS | {"SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
"""VRs whose explicit form has two reserved bytes and a length of four (PS3.5 section 7.1.2)."""

# What to do with a value, in the order of how often it occurs.
_CODE, _TEXT, _SINGLE, _NUMBER, _SEQUENCE, _UNKNOWN, _BULK = range(7)


class _Ended(Exception):
    """The bytes end inside an element that needs ``needed`` bytes from the beginning of the piece."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class _Malformed(Exception):
    """The bytes make no sense; the message says why."""


def _kind(vr: str) -> int:
    if vr in SINGLE_TEXT_VRS:
        return _SINGLE
    if vr in TEXT_VRS:
        return _TEXT
    if vr in STRING_VRS:
        return _CODE
    if vr in BULK_VRS:
        return _BULK
    return {"SQ": _SEQUENCE, "UN": _UNKNOWN}.get(vr, _NUMBER)


_KIND = {vr: _kind(vr) for vr in VRS}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How elements are laid out: VRs told or not, byte order, and the look-ups made for it."""

    explicit: bool
    big_endian: bool
    element: Callable[[bytes, int], tuple[Any, ...]]
    """Explicit: (group, element, VR code, length); implicit: (group, element, length)."""
    long_length: Callable[[bytes, int], tuple[Any, ...]]
    tag: Callable[[bytes, int], tuple[Any, ...]]
    vrs: dict[int, tuple[str, int, bool]]
    """VR code -> (VR, kind, long form)."""
    numbers: dict[str, NumberReader]


@cache
def _layout(explicit: bool, big_endian: bool) -> _Layout:
    order = ">" if big_endian else "<"
    code = struct.Struct(order + "H")
    return _Layout(
        explicit=explicit,
        big_endian=big_endian,
        element=struct.Struct(order + ("HHHH" if explicit else "HHI")).unpack_from,
        long_length=struct.Struct(order + "I").unpack_from,
        tag=struct.Struct(order + "HHI").unpack_from,
        vrs={code.unpack(vr.encode())[0]: (vr, _KIND[vr], vr in _LONG_VRS) for vr in VRS},
        numbers=number_readers(big_endian),
    )


def read_header(data: bytes | bytearray | memoryview, transfer_syntax_uid: str, *, complete: bool) -> Header:
    """The header of the data set that ``data`` is, or begins with where ``complete`` is False.

    Raises HeaderIncomplete when ``complete`` is False and more bytes are needed, UnreadableDataSet when the
    bytes are no data set of this transfer syntax. Elements out of order are tolerated, and put in order.
    """
    raw = data if isinstance(data, bytes) else bytes(data)
    syntax = transfer_syntax(transfer_syntax_uid)
    if syntax.deflated:
        raw, complete = _inflate(raw, complete)
    layout = _fitting_layout(raw, _layout(syntax.explicit, syntax.big_endian))
    reader = _Reader(raw)
    header = Header()
    try:
        reader.data_set(header, layout)
    except _Ended as ended:
        if complete:
            raise UnreadableDataSet("The data set ends in the middle of an element; send it again.") from None
        raise HeaderIncomplete("The header goes on after these bytes; read more.", ended.needed) from None
    except _Malformed as malformed:
        raise UnreadableDataSet(f"The bytes are no data set: {malformed}.") from None
    if not complete and not reader.finished:
        raise HeaderIncomplete("The header may go on after these bytes; read more.", len(raw) + 8)
    return header


def read_header_from(file: BinaryIO, transfer_syntax_uid: str) -> Header:
    """The header of the data set that begins where the seekable ``file`` stands.

    Long values are passed by seeking: memory does not grow with them. Raises UnreadableDataSet.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    start, size = file.tell(), _FIRST_PIECE
    header = Header()
    layout: _Layout | None = None
    while True:
        file.seek(start)
        data = file.read(size)
        at_end = len(data) < size
        if syntax.deflated:
            try:
                return read_header(data, transfer_syntax_uid, complete=at_end or size >= MAX_HEADER)
            except HeaderIncomplete:
                size *= 4
                continue
        layout = layout or _fitting_layout(data, _layout(syntax.explicit, syntax.big_endian))
        reader = _Reader(data)
        try:
            reader.data_set(header, layout)
        except _Malformed as malformed:
            raise UnreadableDataSet(f"The bytes are no data set: {malformed}.") from None
        except _Ended:
            if at_end:
                raise UnreadableDataSet("The data set ends in the middle of an element.") from None
        if reader.finished or (at_end and reader.resume >= len(data)):
            if at_end and reader.resume > len(data):
                raise UnreadableDataSet("The data set ends in the middle of an element.")
            return header
        start += reader.resume
        size = _FIRST_PIECE if reader.resume else size * 4
        if size > MAX_HEADER:
            raise UnreadableDataSet("A sequence of the header is too long to be read.")


def _inflate(raw: bytes, complete: bool) -> tuple[bytes, bool]:
    """The inflated beginning, and whether that is the whole data set (PS3.5 section A.5)."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = stream.decompress(raw, MAX_INFLATED)
    except zlib.error:
        raise UnreadableDataSet("The data set is announced as deflated but cannot be inflated.") from None
    return inflated, stream.eof or complete


def _fitting_layout(data: bytes, announced: _Layout) -> _Layout:
    """The layout that the first element shows, where it is plainly not the announced one.

    Some senders mix up implicit and explicit VR; the bytes after the first tag tell them apart.
    """
    if len(data) < 8 or announced.big_endian:
        return announced
    shows_vr = data[4:6].decode("latin-1") in VRS
    return announced if shows_vr == announced.explicit else _layout(shows_vr, False)


class _Reader:
    """One reading of one piece of data.

    ``resume`` is where reading may go on when a later piece is at hand; ``finished`` says that the end of
    the header was seen; ``budget`` is what remains of ``MAX_ELEMENTS``.
    """

    __slots__ = ("budget", "data", "finished", "resume")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.budget = MAX_ELEMENTS
        self.finished = False
        self.resume = 0

    def data_set(self, header: Header, layout: _Layout) -> None:
        """Read into ``header`` up to its end or that of the data; ``header`` may hold what came before."""
        charset = header.text(tags.SPECIFIC_CHARACTER_SET)
        signed = header.text(tags.PIXEL_REPRESENTATION) == "1"
        self.resume = self.elements(header, layout, 0, len(self.data), charset, signed, 0)

    def elements(
        self,
        header: Header,
        layout: _Layout,
        position: int,
        end: int,
        charset: str,
        signed: bool,
        depth: int,
        delimited: bool = False,
    ) -> int:
        """Read elements into ``header``; the position behind the last one.

        ``delimited`` says that an Item Delimitation Item ends them, else ``end`` does.
        """
        data = self.data
        values, vrs = header.values, header.vrs
        explicit, unpack, unpack_length = layout.explicit, layout.element, layout.long_length
        known_vrs, numbers = layout.vrs, layout.numbers
        dictionary, ambiguous = vr_dictionary(), signed_or_unsigned()
        budget = self.budget
        last = -1
        ordered = True
        while position < end:
            start = position
            if position + 8 > end:
                if delimited or data[position:end].strip(b"\0"):
                    self.fail(start, depth, position + 8)
                position = end
                break
            budget -= 1
            if budget < 0:
                raise _Malformed("it has too many elements")

            # Tag, VR, length.
            if explicit:
                group, number, code, length = unpack(data, position)
                tag = group << 16 | number
                known = known_vrs.get(code)
                if known is not None:
                    vr, kind, long = known
                    position += 8
                    if long:
                        if position + 4 > end:
                            self.fail(start, depth, position + 4)
                        (length,) = unpack_length(data, position)
                        position += 4
                else:
                    vr, kind, length, position = self.unusual(layout, tag, position, end, values)
            else:
                group, number, length = unpack(data, position)
                tag = group << 16 | number
                vr = private_vr(tag, values) if group & 1 else dictionary[tag]
                kind = _KIND.get(vr, _UNKNOWN)
                position += 8
                if signed and tag in ambiguous:
                    vr = "SS"

            # Where the header ends, and what is no attribute.
            if tag >= _LAST_HEADER_TAG:
                if depth == 0:
                    if tag >= tags.ITEM and tag < 0xFFFF0000:
                        raise _Malformed("a delimiter stands outside of any sequence")
                    self.finished = True
                    self.budget = budget
                    return start
                if tag == tags.ITEM_DELIMITATION_ITEM and delimited:
                    break
                if group == 0xFFFE:
                    raise _Malformed("an item holds the delimiter of something else")
            if number == 0:
                if tag == 0 and not data[start:end].strip(b"\0"):
                    position = end
                    break
                kind = _BULK
            if tag <= last:
                ordered = False
            last = tag

            # Sequences, and everything of undefined length.
            if kind == _UNKNOWN and explicit and vr == "UN":
                vr = private_vr(tag, values) if group & 1 else dictionary[tag]
                kind = _KIND.get(vr, _UNKNOWN)
                unknown = True
            else:
                unknown = False
            if kind == _SEQUENCE or length == _UNDEFINED:
                self.budget = budget
                if depth == 0:
                    self.resume = start
                inner = _layout(False, False) if unknown or (kind == _UNKNOWN and not explicit) else layout
                items, position = self.sequence(
                    inner, tag, kind in (_SEQUENCE, _UNKNOWN), position, length, end, charset, signed, depth
                )
                budget = self.budget
                if items is not None:
                    values[tag] = items
                    if group & 1 or dictionary[tag] != "SQ":
                        vrs[tag] = "SQ"
                elif position < 0:
                    self.finished = True
                    return start
                continue

            # Plain values.
            stop = position + length
            if length > MAX_VALUE:
                if depth == 0:
                    if tag >= _LATE_GROUP and length > MAX_SEQUENCE:
                        self.finished = True
                        return start
                    if stop > end:
                        self.resume = stop
                        raise _Ended(stop)
                kind = _BULK
            if stop > end:
                self.fail(start, depth, stop)
            if kind == _CODE:
                text = data[position:stop].decode("latin-1").strip("\0 ")
                if "\\" in text:
                    text = tidy(text)
                if tag == tags.SPECIFIC_CHARACTER_SET:
                    charset = text
            elif kind == _TEXT:
                raw = data[position:stop]
                if raw.isascii() and b"\x1b" not in raw:
                    text = raw.decode("ascii").strip("\0 ")
                else:
                    text = decode(raw, charset, vr).strip("\0 ")
                if "\\" in text:
                    text = tidy(text)
            elif kind == _NUMBER:
                text = numbers[vr](data, position, length)
                if tag == tags.PIXEL_REPRESENTATION:
                    signed = text == "1"
            elif kind == _SINGLE:
                text = decode(data[position:stop], charset, vr).rstrip("\0 ")
            elif kind == _UNKNOWN:
                text = decode(data[position:stop], charset, "LO").strip("\0 ")
                if not text.isprintable() or "\ufffd" in text:
                    position = stop
                    continue
            else:
                position = stop
                continue
            position = stop
            values[tag] = text
            if group & 1:
                if vr != "LO" or number > 0xFF:
                    vrs[tag] = vr
            elif dictionary[tag] != vr:
                vrs[tag] = vr
        else:
            if delimited:
                self.fail(position, depth, end + 8)
        self.budget = budget
        if not ordered:
            header.values = {tag: values[tag] for tag in sorted(values)}
        return position

    def fail(self, start: int, depth: int, needed: int) -> NoReturn:
        """The bytes end within the element that begins at ``start``."""
        if depth == 0:
            self.resume = start
        raise _Ended(needed)

    def unusual(
        self, layout: _Layout, tag: int, position: int, end: int, values: dict[int, Value]
    ) -> tuple[str, int, int, int]:
        """VR, kind, length and value position of an element with explicit VR whose VR is not in the table.

        Delimiters have none. Some writers leave it out as in implicit VR; other two letters are a VR of a
        later edition, which has the long form (PS3.5 section 7.1.2), or an invention with the short one.
        """
        data = self.data
        letters = data[position + 4 : position + 6]
        (length,) = layout.long_length(data, position + 4)
        if not (letters.isalpha() and letters.isupper()):
            vr = private_vr(tag, values) if tag & 0x10000 else vr_dictionary()[tag]
            return vr, _KIND.get(vr, _UNKNOWN), length, position + 8
        _, _, _, short = layout.element(data, position)
        if short == 0 and position + 12 <= end:
            (length,) = layout.long_length(data, position + 8)
            if position + 12 + length <= end:
                return "UN", _UNKNOWN, length, position + 12
        return "UN", _UNKNOWN, short, position + 8

    def sequence(
        self,
        layout: _Layout,
        tag: int,
        wanted: bool,
        position: int,
        length: int,
        end: int,
        charset: str,
        signed: bool,
        depth: int,
    ) -> tuple[tuple[Header, ...] | None, int]:
        """The items of a sequence and the position behind it.

        No items where it is not held; a negative position where it moreover ends the header.
        """
        late = depth == 0 and tag >= _LATE_GROUP
        if length != _UNDEFINED:
            stop = position + length
            if length > MAX_SEQUENCE or depth >= MAX_DEPTH:
                if late:
                    return None, -1
                if depth == 0 and stop > end:
                    self.resume = stop
                if stop > end:
                    raise _Ended(stop)
                return None, stop
            if stop > end:
                raise _Ended(stop)
            try:
                return self.items(layout, position, stop, False, charset, signed, depth + 1)[0], stop
            except _Ended:
                malformed = _Malformed("an item is longer than its sequence")
            except _Malformed as found:
                malformed = found
            if tag & 0x10000 and self.budget > 0:
                return None, stop
            raise malformed
        limit = min(end, position + MAX_SEQUENCE) if depth == 0 else end
        if wanted and depth < MAX_DEPTH:
            try:
                return self.items(layout, position, limit, True, charset, signed, depth + 1)
            except _Ended:
                if limit == end:
                    raise
                if late:
                    return None, -1
        return None, self.skip(layout, position, end)

    def items(
        self,
        layout: _Layout,
        position: int,
        end: int,
        delimited: bool,
        charset: str,
        signed: bool,
        depth: int,
    ) -> tuple[tuple[Header, ...], int]:
        """The items between ``position`` and ``end``, or a Sequence Delimitation Item."""
        unpack = layout.tag
        items: list[Header] = []
        while delimited or position < end:
            if position + 8 > end:
                raise _Ended(position + 8)
            group, number, length = unpack(self.data, position)
            position += 8
            tag = group << 16 | number
            if tag == tags.SEQUENCE_DELIMITATION_ITEM:
                break
            if tag != tags.ITEM:
                raise _Malformed("a sequence holds something that is no item")
            self.budget -= 1
            item = Header()
            if length == _UNDEFINED:
                position = self.elements(item, layout, position, end, charset, signed, depth, True)
            else:
                stop = position + length
                if stop > end:
                    raise _Ended(stop)
                if length:
                    try:
                        self.elements(item, layout, position, stop, charset, signed, depth)
                    except _Ended:
                        raise _Malformed("an element is longer than its item") from None
                position = stop
            items.append(item)
        return tuple(items), position

    def skip(self, layout: _Layout, position: int, end: int) -> int:
        """The position behind the sequence or the fragments of undefined length that begin at ``position``.

        ``inside`` holds a layout for each sequence and each item that is open; it takes no recursion.
        """
        data = self.data
        inside: list[tuple[bool, _Layout]] = [(False, layout)]
        while inside:
            if position + 8 > end:
                raise _Ended(position + 8)
            self.budget -= 1
            if self.budget < 0:
                raise _Malformed("it has too many elements")
            is_item, layout = inside[-1]
            group, number, length = layout.tag(data, position)
            tag = group << 16 | number
            if group == 0xFFFE:
                position += 8
                if tag == tags.ITEM and not is_item:
                    if length == _UNDEFINED:
                        inside.append((True, layout))
                    else:
                        position += length
                elif tag == (tags.ITEM_DELIMITATION_ITEM if is_item else tags.SEQUENCE_DELIMITATION_ITEM):
                    inside.pop()
                else:
                    raise _Malformed("items and delimiters do not pair")
                continue
            if not is_item:
                raise _Malformed("a sequence holds something that is no item")
            vr = ""
            position += 8
            if layout.explicit:
                _, _, code, length = layout.element(data, position - 8)
                vr, _, long = layout.vrs.get(code, ("UN", _UNKNOWN, False))
                if long:
                    if position + 4 > end:
                        raise _Ended(position + 4)
                    (length,) = layout.long_length(data, position)
                    position += 4
            if length == _UNDEFINED:
                inside.append((False, _layout(False, False) if vr == "UN" else layout))
            else:
                position += length
        return position

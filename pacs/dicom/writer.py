"""Encodes a header as a data set (PS3.5 section 7): C-FIND answers, identifiers, and test data.

Sequences have defined lengths. Values that their VR cannot hold (a word in a US) are written empty.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from pacs.dicom import tags
from pacs.dicom.attribute import BULK_VRS, STRING_VRS, TEXT_VRS, vr_dictionary
from pacs.dicom.charset import choose_charset, encode
from pacs.dicom.header import Header
from pacs.dicom.transfer_syntax import transfer_syntax

_FORMATS: dict[str, tuple[str, bool]] = {
    "US": ("H", True),
    "SS": ("h", True),
    "UL": ("I", True),
    "SL": ("i", True),
    "UV": ("Q", True),
    "SV": ("q", True),
    "FL": ("f", False),
    "FD": ("d", False),
}
"""VR -> (struct code, whole numbers only)."""

_LONG_VRS = BULK_VRS | {"SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
_PADDED_WITH_NULL = frozenset({"UI", "UN"}) | BULK_VRS
_CHARSET_VRS = TEXT_VRS | {"UN", "UR"}
_REMEMBERED = 8192
"""Tags whose heads are kept."""

_SHORT = 128
"""Lengths of values below this are kept with the head."""


def encode_header(header: Header, transfer_syntax_uid: str, charset: str) -> bytes:
    """``header`` as a data set whose text is in ``charset``, in ascending order of tags.

    ``charset`` is the text of Specific Character Set (0008,0005), written in place of the header's own;
    ``""`` writes none. Characters that it lacks become ``?``; see ``answer_charset``.
    """
    syntax = transfer_syntax(transfer_syntax_uid)
    writer = _writer(syntax.explicit, syntax.big_endian)
    encoded = writer.data_set(header, charset, True)
    if not syntax.deflated:
        return encoded
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(encoded) + deflater.flush()
    return deflated + b"\0" if len(deflated) % 2 else deflated


def texts(header: Header) -> Iterator[str]:
    """All values that a charset applies to, those in sequences too."""
    dictionary, vrs = vr_dictionary(), header.vrs
    for tag, value in header.values.items():
        if isinstance(value, tuple):
            for item in value:
                yield from texts(item)
        elif not value.isascii() and (vrs.get(tag) or dictionary[tag]) in _CHARSET_VRS:
            yield value


def answer_charset(header: Header, wanted: str) -> str:
    """The charset of a C-FIND answer (PS3.4 section C.4.1.1.3.1).

    ``wanted`` is that of the request; that of the stored instance is taken from the header.
    """
    for value in header.values.values():
        if not isinstance(value, str) or not value.isascii():
            return choose_charset(texts(header), wanted, header.text(tags.SPECIFIC_CHARACTER_SET))
    return ""


def _encode_text(text: str, charset: str, vr: str) -> bytes:
    return encode(text, charset, vr) if vr in _CHARSET_VRS else text.encode("latin-1", "replace")


class _Head(dict[int, bytes]):
    """How the elements of a tag and VR begin (tag, VR where told, length), by the length of the value."""

    __slots__ = ("_long", "_order", "_tag", "is_string", "pad", "vr")

    def __init__(self, tag: int, vr: str, order: str, explicit: bool) -> None:
        super().__init__()
        self.vr = vr
        self.is_string = vr in STRING_VRS or vr == "UN"
        self.pad = b"\0" if vr in _PADDED_WITH_NULL else b" "
        self._order = order
        self._tag = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
        self._long = vr in _LONG_VRS if explicit else None

    def __missing__(self, length: int) -> bytes:
        if self._long is None:
            head = self._tag + struct.pack(self._order + "I", length)
        elif self._long:
            head = self._tag + self.vr.encode("ascii") + struct.pack(self._order + "HI", 0, length)
        elif length <= 0xFFFF:
            head = self._tag + self.vr.encode("ascii") + struct.pack(self._order + "H", length)
        else:
            # Longer than the short form can tell: UN takes it (PS3.5 section 6.2.2).
            head = self._tag + b"UN" + struct.pack(self._order + "HI", 0, length)
        if length < _SHORT:
            self[length] = head
        return head


@cache
def _writer(explicit: bool, big_endian: bool) -> _Writer:
    return _Writer(explicit, big_endian)


class _Writer:
    """Encodes elements in one layout. Element heads (tag, VR) are made once and kept."""

    def __init__(self, explicit: bool, big_endian: bool) -> None:
        self._explicit = explicit
        self._order = ">" if big_endian else "<"
        self._length = struct.Struct(self._order + "I").pack
        self._item = struct.pack(self._order + "HH", 0xFFFE, 0xE000)
        self._heads: dict[int | tuple[int, str], _Head] = {}

    def data_set(self, header: Header, charset: str, outermost: bool = False) -> bytes:
        """All elements of ``header``."""
        values = header.values
        if outermost:
            if charset or tags.SPECIFIC_CHARACTER_SET in values:
                values = dict(values)
                values.pop(tags.SPECIFIC_CHARACTER_SET, None)
                if charset:
                    values[tags.SPECIFIC_CHARACTER_SET] = charset
        elif tags.SPECIFIC_CHARACTER_SET in values:
            # Items inherit; theirs is written in the same charset as all the rest.
            values = {tag: value for tag, value in values.items() if tag != tags.SPECIFIC_CHARACTER_SET}
        dictionary, vrs = vr_dictionary(), header.vrs
        heads = self._heads
        pieces: list[bytes] = []
        for tag in sorted(values):
            value = values[tag]
            head = heads.get(tag)
            if head is None or (vrs and vrs.get(tag, head.vr) != head.vr):
                head = self._head(tag, vrs.get(tag) or dictionary[tag])
            if isinstance(value, str):
                if head.is_string:
                    raw = value.encode() if value.isascii() else _encode_text(value, charset, head.vr)
                else:
                    raw = self._numbers(head.vr, value) if value else b""
                if len(raw) & 1:
                    raw += head.pad
            else:
                raw = self._items(value, charset)
                if head.vr != "SQ":
                    head = self._head(tag, "SQ")
            pieces += (head[len(raw)], raw)
        return b"".join(pieces)

    def _items(self, items: tuple[Header, ...], charset: str) -> bytes:
        pieces: list[bytes] = []
        for item in items:
            raw = self.data_set(item, charset)
            pieces.append(self._item + self._length(len(raw)) + raw)
        return b"".join(pieces)

    def _numbers(self, vr: str, text: str) -> bytes:
        """Binary numbers, or tags, from decimal or hexadecimal text; empty where they do not fit."""
        try:
            if vr == "AT":
                halves = [int(tag[i : i + 4], 16) for tag in text.split("\\") if tag for i in (0, 4)]
                return struct.pack(f"{self._order}{len(halves)}H", *halves)
            code, whole = _FORMATS[vr]
            if not text:
                return b""
            numbers = [int(part) if whole else float(part) for part in text.split("\\")]
            return struct.pack(f"{self._order}{len(numbers)}{code}", *numbers)
        except (KeyError, ValueError, OverflowError, struct.error):
            return b""

    def _head(self, tag: int, vr: str) -> _Head:
        """The head of ``tag``, made once for a VR."""
        # Nearly all have the dictionary's VR, and are found by their tag alone.
        key = tag if vr == vr_dictionary()[tag] else (tag, vr)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _REMEMBERED:
                self._heads.clear()
            head = self._heads[key] = _Head(tag, vr, self._order, self._explicit)
        return head

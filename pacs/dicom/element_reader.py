"""The core of the reader: elements, sequences and items out of bytes (PS3.5 sections 7.1 to 7.5).

It trusts nothing: every length is held against what there is, nesting and the number of elements are
bounded, and what is skipped is skipped without recursion. ``elements`` is one long function, and asks for
the most frequent things first, because it is what indexing spends its time in.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from pacs.dicom import tags
from pacs.dicom.attribute import signed_or_unsigned, vr_dictionary
from pacs.dicom.charset import decode
from pacs.dicom.element_layout import UNDEFINED_LENGTH, Kind, Layout, kinds, layout_of
from pacs.dicom.element_memory import NO_ELEMENT, Memory, Place, Run
from pacs.dicom.element_value import tidy
from pacs.dicom.header import Header, Value
from pacs.dicom.private import private_vr

MAX_VALUE = 16 * 1024
"""Bytes of a value; a longer one is not held."""

MAX_SEQUENCE = 256 * 1024
"""Bytes of an outermost sequence with all that is in it; a longer one is not held."""

MAX_DEPTH = 24
"""Sequences within sequences; deeper ones are not held."""

MAX_ELEMENTS = 500_000
"""Elements, items and delimiters that a reader passes; the data set of a longer header is refused."""

_END_OF_HEADER = tags.FLOAT_PIXEL_DATA
_LATE = 0x52000000
"""From here on (functional groups, waveforms, overlays) a part too long to hold ends the header."""

_CODE, _TEXT, _SINGLE = int(Kind.CODE), int(Kind.TEXT), int(Kind.SINGLE)
_NUMBER, _SEQUENCE, _UNKNOWN, _BULK = int(Kind.NUMBER), int(Kind.SEQUENCE), int(Kind.UNKNOWN), int(Kind.BULK)


class Ended(Exception):
    """The bytes end inside an element that needs ``needed`` bytes from the beginning of the piece."""

    def __init__(self, needed: int) -> None:
        self.needed = needed


class Malformed(Exception):
    """The bytes make no sense; the message says why."""


class Scope(NamedTuple):
    """What holds for the elements of a data set or an item: inherited from what is around it."""

    charset: str
    signed: bool
    """Pixel Representation (0028,0103) says that pixels are signed."""
    depth: int
    """0 for the data set, 1 for items of its sequences."""


class ElementReader:
    """One reading of one piece of data.

    ``resume`` is where reading may go on when a later piece is at hand; ``finished`` says that the end of
    the header was seen; ``budget`` is what remains of ``MAX_ELEMENTS``. With a ``memory``, what is the same
    as in the data sets before is taken from there.
    """

    __slots__ = ("budget", "data", "finished", "memory", "resume")

    def __init__(self, data: bytes, budget: int = MAX_ELEMENTS, memory: Memory | None = None) -> None:
        self.data = data
        self.memory = memory
        self.budget = budget
        self.finished = False
        self.resume = 0

    def data_set(self, header: Header, layout: Layout) -> None:
        """Read into ``header`` up to its end or that of the data; ``header`` may hold what came before.

        Raises Ended, with ``resume`` set, or Malformed.
        """
        charset = header.text(tags.SPECIFIC_CHARACTER_SET)
        signed = header.text(tags.PIXEL_REPRESENTATION) == "1"
        self.resume = self.elements(header, layout, 0, len(self.data), Scope(charset, signed, 0))

    def elements(
        self, header: Header, layout: Layout, position: int, end: int, scope: Scope, delimited: bool = False
    ) -> int:
        """Read elements into ``header``; the position behind the last one.

        ``delimited`` says that an Item Delimitation Item ends them, else ``end`` does.
        """
        data = self.data
        values, vrs = header.values, header.vrs
        explicit, unpack, unpack_length = layout.explicit, layout.element, layout.long_length
        known_vrs, numbers, kind_of_vr = layout.vrs, layout.numbers, kinds()
        dictionary, ambiguous = vr_dictionary(), signed_or_unsigned()
        charset, signed, depth = scope
        budget = self.budget
        last = -1
        ordered = True
        runs: dict[bytes, Run] | None = None
        places: list[Place] | None = None
        if depth == 0 and self.memory is not None:
            runs = self.memory.runs(layout)
            places = None if values else []
        while position < end:
            start = position
            if runs is not None:
                run = runs.get(data[position : position + 4])
                if (
                    run is not None
                    and data.startswith(run.raw, position)
                    and run.fits(values, charset, signed, budget)
                ):
                    values.update(run.values)
                    if run.vrs:
                        vrs.update(run.vrs)
                    position += len(run.raw)
                    if run.first <= last:
                        ordered = False
                    last = run.last
                    if places is not None:
                        places.append((start, NO_ELEMENT, budget, charset, signed))
                    budget -= run.cost
                    continue
            if position + 8 > end:
                if delimited or data[position:end].strip(b"\0"):
                    self.fail(start, depth, position + 8, budget)
                position = end
                places = None
                break
            budget -= 1
            if budget < 0:
                raise Malformed("it has too many elements")

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
                            self.fail(start, depth, position + 4, budget)
                        (length,) = unpack_length(data, position)
                        position += 4
                else:
                    vr, kind, length, position = self.unusual(layout, tag, position, end, values)
            else:
                group, number, length = unpack(data, position)
                tag = group << 16 | number
                vr = private_vr(tag, values) if group & 1 else dictionary[tag]
                kind = kind_of_vr.get(vr, _UNKNOWN)
                position += 8
                if signed and tag in ambiguous:
                    vr = "SS"

            # Where the header ends, and what is no attribute.
            if tag >= _END_OF_HEADER:
                if depth == 0:
                    if group == 0xFFFE:
                        raise Malformed("a delimiter stands outside of any sequence")
                    if not values:
                        raise Malformed("it has no attributes")
                    self.finished = True
                    position = start
                    break
                if tag == tags.ITEM_DELIMITATION_ITEM and delimited:
                    break
                if group == 0xFFFE:
                    raise Malformed("an item holds the delimiter of something else")
            if number == 0:
                if tag == 0:
                    if data[start:end].strip(b"\0"):
                        raise Malformed("it holds an element of a command")
                    position = end
                    break
                kind = _BULK
            if tag <= last:
                ordered = False
            last = tag
            if places is not None:
                places.append((start, tag, budget + 1, charset, signed))

            # Sequences, what may be one, and everything of undefined length.
            inner = layout
            if kind == _UNKNOWN:
                if explicit and vr == "UN":
                    vr = private_vr(tag, values) if group & 1 else dictionary[tag]
                    kind = kind_of_vr.get(vr, _UNKNOWN)
                    inner = layout_of(False, False)
                if kind == _UNKNOWN and data[position : position + 4] == b"\xfe\xff\x00\xe0":
                    kind = _SEQUENCE
                    inner = layout_of(False, False)
            if kind == _SEQUENCE or length == UNDEFINED_LENGTH:
                self.budget = budget
                if depth == 0:
                    self.resume = start
                held = kind in (_SEQUENCE, _UNKNOWN)
                items, position = self.sequence(
                    inner, tag, held, position, length, end, Scope(charset, signed, depth)
                )
                budget = self.budget
                if items is not None:
                    values[tag] = items
                    if group & 1 or dictionary[tag] != "SQ":
                        vrs[tag] = "SQ"
                elif self.finished:
                    position = start
                    break
                continue

            # Plain values.
            stop = position + length
            if length > MAX_VALUE:
                if depth == 0:
                    if tag >= _LATE and length > MAX_SEQUENCE and values:
                        self.finished = True
                        position = start
                        break
                    if stop > end:
                        self.fail(stop, depth, stop, budget)
                kind = _BULK
            if stop > end:
                self.fail(start, depth, stop, budget)
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
                text = decode(data[position:stop], charset, vr).strip("\0 ")
                if not text.isprintable() or "\ufffd" in text:
                    position = stop
                    continue
            else:
                position = stop
                continue
            position = stop
            values[tag] = text
            if group & 1:
                if vr != "UN" and (vr != "LO" or number > 0xFF):
                    vrs[tag] = vr
            elif dictionary[tag] != vr:
                vrs[tag] = vr
        else:
            if delimited:
                self.fail(position, depth, end + 8, budget)
        self.budget = budget
        if not ordered:
            header.values = {tag: values[tag] for tag in sorted(values)}
        elif places and self.memory is not None:
            places.append((position, NO_ELEMENT, budget, charset, signed))
            self.memory.learn(data, header, places)
        return position

    def fail(self, resume: int, depth: int, needed: int, budget: int) -> NoReturn:
        """The bytes end within an element; outside of sequences, reading may ``resume`` there."""
        self.budget = budget
        if depth == 0:
            self.resume = resume
        raise Ended(needed)

    def unusual(
        self, layout: Layout, tag: int, position: int, end: int, values: dict[int, Value]
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
            return vr, kinds().get(vr, _UNKNOWN), length, position + 8
        # What follows hangs on how much data there is: nothing to be remembered.
        self.memory = None
        _, _, _, short = layout.element(data, position)
        if short == 0 and position + 12 <= end:
            (length,) = layout.long_length(data, position + 8)
            if position + 12 + length <= end:
                return "UN", _UNKNOWN, length, position + 12
        return "UN", _UNKNOWN, short, position + 8

    def sequence(
        self, layout: Layout, tag: int, held: bool, position: int, length: int, end: int, scope: Scope
    ) -> tuple[tuple[Header, ...] | None, int]:
        """The items of a sequence and the position behind it.

        No items where it is not to be ``held``, is too long or too deep, or is private and makes no sense.
        One that is too long may end the header: ``finished`` is set then.
        """
        outermost = scope.depth == 0
        within = Scope(scope.charset, scope.signed, scope.depth + 1)
        if length == UNDEFINED_LENGTH:
            limit = min(end, position + MAX_SEQUENCE) if outermost else end
            if held and scope.depth < MAX_DEPTH:
                try:
                    return self.items(layout, position, limit, within, True)
                except Ended:
                    if limit == end:
                        raise
                    if tag >= _LATE:
                        self.finished = True
                        return None, position
            return None, self.skip(layout, position, end)

        stop = position + length
        if length > MAX_SEQUENCE and outermost:
            if tag >= _LATE:
                self.finished = True
            elif stop > end:
                self.resume = stop
                raise Ended(stop)
            return None, stop
        if stop > end:
            raise Ended(stop)
        if scope.depth >= MAX_DEPTH:
            return None, stop
        try:
            return self.items(layout, position, stop, within, False)[0], stop
        except Ended:
            malformed = Malformed("an item is longer than its sequence")
        except Malformed as found:
            malformed = found
        if tag & 0x10000 and self.budget > 0:
            return None, stop
        raise malformed

    def items(
        self, layout: Layout, position: int, end: int, scope: Scope, delimited: bool
    ) -> tuple[tuple[Header, ...], int]:
        """The items up to ``end`` or, where ``delimited``, to a Sequence Delimitation Item."""
        unpack = layout.item
        items: list[Header] = []
        while delimited or position < end:
            if position + 8 > end:
                raise Ended(position + 8)
            group, number, length = unpack(self.data, position)
            position += 8
            tag = group << 16 | number
            if tag == tags.SEQUENCE_DELIMITATION_ITEM:
                break
            if tag != tags.ITEM:
                raise Malformed("a sequence holds something that is no item")
            self.budget -= 1
            item = Header()
            if length == UNDEFINED_LENGTH:
                position = self.elements(item, layout, position, end, scope, True)
            else:
                stop = position + length
                if stop > end:
                    raise Ended(stop)
                if length:
                    try:
                        self.elements(item, layout, position, stop, scope)
                    except Ended:
                        raise Malformed("an element is longer than its item") from None
                position = stop
            items.append(item)
        return tuple(items), position

    def skip(self, layout: Layout, position: int, end: int) -> int:
        """The position behind the sequence, or the fragments, of undefined length that begin here."""
        data = self.data
        # A layout for each sequence and each item (True) that is open, instead of recursion.
        inside: list[tuple[bool, Layout]] = [(False, layout)]
        while inside:
            if position + 8 > end:
                raise Ended(position + 8)
            self.budget -= 1
            if self.budget < 0:
                raise Malformed("it has too many elements")
            is_item, layout = inside[-1]
            group, number, length = layout.item(data, position)
            tag = group << 16 | number
            position += 8
            if group == 0xFFFE:
                if tag == tags.ITEM and not is_item:
                    if length == UNDEFINED_LENGTH:
                        inside.append((True, layout))
                    else:
                        position += length
                elif tag == (tags.ITEM_DELIMITATION_ITEM if is_item else tags.SEQUENCE_DELIMITATION_ITEM):
                    inside.pop()
                else:
                    raise Malformed("items and delimiters do not pair")
                continue
            if not is_item:
                raise Malformed("a sequence holds something that is no item")
            nested = layout
            if layout.explicit:
                _, _, code, short = layout.element(data, position - 8)
                vr, _, long = layout.vrs.get(code, ("", _UNKNOWN, False))
                if long:
                    if position + 4 > end:
                        raise Ended(position + 4)
                    (length,) = layout.long_length(data, position)
                    position += 4
                elif vr:
                    length = short
                if vr == "UN":
                    nested = layout_of(False, False)
            if length == UNDEFINED_LENGTH:
                inside.append((False, nested))
            else:
                position += length
        return position

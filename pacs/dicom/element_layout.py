"""How encoded elements are laid out (PS3.5 section 7.1), as the look-ups that a quick reader needs."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from pacs.dicom.attribute import BULK_VRS, SINGLE_TEXT_VRS, STRING_VRS, TEXT_VRS, VRS
from pacs.dicom.element_value import NumberReader, number_readers

LONG_VRS = BULK_VRS | {"SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
"""VRs whose explicit form has two reserved bytes and a length of four (PS3.5 section 7.1.2)."""

UNDEFINED_LENGTH = 0xFFFFFFFF


class Kind(IntEnum):
    """What is to be done with the value field of a VR."""

    CODE = 0
    """Characters of the default repertoire."""
    TEXT = 1
    """Characters of Specific Character Set, perhaps several values."""
    SINGLE = 2
    """Characters of one value, whose leading spaces count."""
    NUMBER = 3
    SEQUENCE = 4
    UNKNOWN = 5
    BULK = 6


def kind_of(vr: str) -> Kind:
    """The kind of a VR; one that PS3.5 does not have is unknown."""
    if vr in SINGLE_TEXT_VRS:
        return Kind.SINGLE
    if vr in TEXT_VRS:
        return Kind.TEXT
    if vr in STRING_VRS:
        return Kind.CODE
    if vr in BULK_VRS:
        return Kind.BULK
    if vr == "SQ":
        return Kind.SEQUENCE
    return Kind.NUMBER if vr in VRS and vr != "UN" else Kind.UNKNOWN


@cache
def kinds() -> dict[str, int]:
    """The kind of every VR, as plain numbers, which compare the quickest."""
    return {vr: int(kind_of(vr)) for vr in VRS}


@dataclass(frozen=True, slots=True)
class Layout:
    """VRs told or not, byte order, and what follows from them."""

    explicit: bool
    big_endian: bool
    element: Callable[[bytes, int], tuple[Any, ...]]
    """(group, element, VR code, length) where VRs are told, else (group, element, length)."""
    long_length: Callable[[bytes, int], tuple[Any, ...]]
    """(length,) of four bytes."""
    item: Callable[[bytes, int], tuple[Any, ...]]
    """(group, element, length) of an item or a delimiter, which have no VR in any layout."""
    vrs: dict[int, tuple[str, int, bool]]
    """VR code -> (VR, kind, long form)."""
    numbers: dict[str, NumberReader]


@cache
def layout_of(explicit: bool, big_endian: bool) -> Layout:
    """The layout of that kind."""
    order = ">" if big_endian else "<"
    code = struct.Struct(order + "H")
    return Layout(
        explicit=explicit,
        big_endian=big_endian,
        element=struct.Struct(order + ("HHHH" if explicit else "HHI")).unpack_from,
        long_length=struct.Struct(order + "I").unpack_from,
        item=struct.Struct(order + "HHI").unpack_from,
        vrs={code.unpack(vr.encode())[0]: (vr, kind, vr in LONG_VRS) for vr, kind in kinds().items()},
        numbers=number_readers(big_endian),
    )


def fitting_layout(data: bytes, announced: Layout) -> Layout:
    """The layout that the first element of ``data`` shows, where it is plainly not the announced one.

    Some senders mix up implicit and explicit VR; the bytes after the first tag tell them apart.
    """
    if len(data) < 8 or announced.big_endian:
        return announced
    shows_vr = data[4:6].decode("latin-1") in VRS
    return announced if shows_vr == announced.explicit else layout_of(shows_vr, False)

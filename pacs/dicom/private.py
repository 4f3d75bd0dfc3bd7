"""Private data elements (PS3.5 section 7.8): who owns a block, and what pydicom knows of its elements."""

from __future__ import annotations

from functools import cache

from pydicom._private_dict import private_dictionaries

from pacs.dicom.header import Value

_KNOWN_VRS = {"US or SS": "US", "OB or OW": "OW", "OB_OW": "OW"}


@cache
def _by_creator() -> dict[str, dict[str, str]]:
    return {
        creator: {pattern.upper(): _KNOWN_VRS.get(entry[0], entry[0]) for pattern, entry in entries.items()}
        for creator, entries in private_dictionaries.items()
    }


def is_private(tag: int) -> bool:
    """The group number is odd."""
    return bool(tag & 0x10000)


def creator_tag(tag: int) -> int:
    """The tag of the Private Creator element that reserves the block of ``tag``; 0 for no such block."""
    block = tag >> 8 & 0xFF
    return tag & 0xFFFF0000 | block if block >= 0x10 else 0


def private_vr(tag: int, values: dict[int, Value]) -> str:
    """The VR of the private ``tag`` in a data set of these ``values``; ``UN`` where nobody knows it."""
    if 0x10 <= tag & 0xFFFF <= 0xFF:
        return "LO"
    creator = values.get(creator_tag(tag))
    if not isinstance(creator, str):
        return "UN"
    entries = _by_creator().get(creator)
    if entries is None:
        return "UN"
    group, element = tag >> 16, tag & 0xFF
    return entries.get(f"{group:04X}XX{element:02X}") or entries.get(f"{tag:08X}", "UN")

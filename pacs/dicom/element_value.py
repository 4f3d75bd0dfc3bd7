"""The value field of a data element as canonical text (``header.py`` says what that is), and back.

PS3.5 section 6.2 gives the VRs. Values that a number of bytes cannot be split into exactly lose the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache

_FORMATS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}

NumberReader = Callable[[bytes, int, int], str]
"""(data, position, length) -> decimal text, several numbers joined by a backslash."""


def float_text(value: float) -> str:
    """A double as the shortest decimal text that reads back the same, without a trailing ``.0``."""
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def single_text(value: float) -> str:
    """A single (FL) as decimal text: seven digits where they tell it exactly, else nine."""
    text = f"{value:.7g}"
    try:
        exact = struct.unpack("<f", struct.pack("<f", float(text)))[0] == value
    except (OverflowError, struct.error):
        exact = False
    return text if exact or value != value else f"{value:.9g}"


def tidy(text: str) -> str:
    """Each of several values without its padding."""
    return "\\".join([value.strip("\0 ") for value in text.split("\\")])


def _number_reader(vr: str, byte_order: str) -> NumberReader:
    code = _FORMATS[vr]
    one = struct.Struct(byte_order + code)
    size, unpack = one.size, one.unpack_from
    write: Callable[[float], str] = {"f": single_text, "d": float_text}.get(code, str)

    def read(data: bytes, position: int, length: int) -> str:
        if length == size:
            return write(unpack(data, position)[0])
        count = length // size
        return "\\".join(
            [write(value) for value in struct.unpack_from(f"{byte_order}{count}{code}", data, position)]
        )

    return read


def _at_reader(byte_order: str) -> NumberReader:
    def read(data: bytes, position: int, length: int) -> str:
        halves = struct.unpack_from(f"{byte_order}{length // 4 * 2}H", data, position)
        pairs = zip(halves[::2], halves[1::2], strict=True)
        return "\\".join([f"{group:04X}{element:04X}" for group, element in pairs])

    return read


@cache
def number_readers(big_endian: bool) -> dict[str, NumberReader]:
    """A reader for each VR whose values are binary numbers or tags."""
    byte_order = ">" if big_endian else "<"
    readers = {vr: _number_reader(vr, byte_order) for vr in _FORMATS}
    readers["AT"] = _at_reader(byte_order)
    return readers

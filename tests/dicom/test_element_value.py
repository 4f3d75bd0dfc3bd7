"""Numbers as text."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom.element_value import float_text, number_readers, single_text, tidy


@given(st.floats(allow_nan=False))
def test_double_reads_back_the_same(value: float) -> None:
    assert float(float_text(value)) == value


@given(st.floats(width=32, allow_nan=False))
def test_single_reads_back_the_same(value: float) -> None:
    packed = struct.pack("<f", value)
    assert struct.pack("<f", float(single_text(value))) == packed


@pytest.mark.parametrize(("value", "text"), [(1.0, "1"), (0.1, "0.1"), (-2.5, "-2.5"), (float("nan"), "nan")])
def test_numbers_are_written_short(value: float, text: str) -> None:
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    assert single_text(single) == text
    assert float_text(value) == text


@pytest.mark.parametrize("big_endian", [False, True])
def test_several_numbers_are_joined_and_a_rest_is_lost(big_endian: bool) -> None:
    data = struct.pack((">" if big_endian else "<") + "3H", 1, 2, 3)
    read = number_readers(big_endian)["US"]
    assert read(data, 0, 6) == "1\\2\\3"
    assert read(data, 2, 3) == "2"
    assert read(data, 0, 1) == ""
    assert read(data, 0, 0) == ""


def test_each_value_loses_its_padding() -> None:
    assert tidy(" a \\b\0\\") == "a\\b\\"

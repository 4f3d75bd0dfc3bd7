from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.archive.wholeness import check_whole, pixel_data_at
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.errors import UnreadableDataSet
from tests.encoded import Instance
from tests.part_ten import take_apart
from tests.samples import sample_paths

SYNTAXES = [
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    "1.2.840.10008.1.2.4.70",
]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_cut_at_any_byte_within_an_element_a_data_set_is_not_whole(syntax: str) -> None:
    data = Instance("1.2.3", transfer_syntax_uid=syntax).data_set
    check_whole(io.BytesIO(data), 0, len(data), syntax)
    whole = 0
    for cut in range(1, len(data)):
        try:
            check_whole(io.BytesIO(data[:cut]), 0, cut, syntax)
        except UnreadableDataSet:
            continue
        whole += 1
    assert whole == 7, "between two of the eight elements, and nowhere else"


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_pixel_data_is_where_its_value_begins(syntax: str) -> None:
    one = Instance("1.2.3", transfer_syntax_uid=syntax, pixels=b"PIXELS")
    data = one.data_set
    assert pixel_data_at(io.BytesIO(data), 0, len(data), syntax) == data.index(b"PIXELS")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_noise_is_refused_or_passed_but_never_breaks_the_walk(noise: bytes, syntax: str) -> None:
    for call in (check_whole, pixel_data_at):
        try:
            call(io.BytesIO(noise), 0, len(noise), syntax)
        except UnreadableDataSet:
            continue


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_nearly_all_sample_files_are_whole() -> None:
    refused = []
    for path in sample_paths():
        try:
            parts = take_apart(path)
        except Exception:
            continue
        try:
            check_whole(io.BytesIO(parts.data_set), 0, len(parts.data_set), parts.transfer_syntax_uid)
        except UnreadableDataSet as error:
            refused.append((path.name, str(error)))
    assert len(refused) <= 12, refused

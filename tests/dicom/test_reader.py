"""The reader on data sets made by hand: layouts, sequences, limits, and bytes that are no data set."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.element_reader import MAX_DEPTH, MAX_SEQUENCE, MAX_VALUE
from pacs.dicom.file_meta import read_file_meta
from pacs.dicom.header import Header
from pacs.dicom.reader import read_header, read_header_from
from pacs.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.errors import HeaderIncomplete, UnreadableDataSet
from tests.samples import sample

UNDEFINED = 0xFFFFFFFF
ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
END_OF_ITEM = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
END_OF_SEQUENCE = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
PIXELS = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 4) + b"\1\2\3\4"


def explicit(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian."""
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    long = vr in ("OB", "OW", "OF", "SQ", "UN", "UT", "UC", "UR")
    return head + (struct.pack("<HI", 0, size) if long else struct.pack("<H", size)) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """An element in Implicit VR Little Endian."""
    size = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, size) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content


def read(data: bytes, uid: str = EXPLICIT_VR_LITTLE_ENDIAN) -> Header:
    """From memory and, where it is no deflated data set, from a file too: both must agree."""
    header = read_header(data, uid, complete=True)
    assert read_header_from(io.BytesIO(data), uid) == header
    return header


PATIENT_ID = explicit(tags.PATIENT_ID, "LO", b"P1")
REFERENCED = 0x00081140
CONTENT = explicit(tags.REFERENCED_SOP_INSTANCE_UID, "UI", b"1.2.3\0")


def test_values_are_text_without_padding() -> None:
    data = (
        explicit(0x00080008, "CS", b"ORIGINAL \\PRIMARY")
        + explicit(tags.SOP_INSTANCE_UID, "UI", b"1.2.3\0")
        + explicit(tags.PATIENT_ID, "LO", b" P1 ")
        + explicit(0x00104000, "LT", b"  indented ")
        + explicit(0x00180050, "DS", b"1.50 ")
        + explicit(tags.ROWS, "US", struct.pack("<H", 512))
        + explicit(0x00280009, "AT", struct.pack("<HHHH", 0x18, 0x1063, 0x18, 0x1065))
        + explicit(0x00189306, "FD", struct.pack("<dd", 0.625, 2.0))
        + explicit(0x00189317, "FL", struct.pack("<f", 0.1))
    )
    assert read(data).values == {
        0x00080008: "ORIGINAL\\PRIMARY",
        tags.SOP_INSTANCE_UID: "1.2.3",
        tags.PATIENT_ID: "P1",
        0x00104000: "  indented",
        0x00180050: "1.50",
        0x00189306: "0.625\\2",
        0x00189317: "0.1",
        0x00280009: "00181063\\00181065",
        tags.ROWS: "512",
    }


def test_elements_out_of_order_are_put_in_order() -> None:
    header = read(PATIENT_ID + explicit(tags.MODALITY, "CS", b"CT"))
    assert list(header.values) == [tags.MODALITY, tags.PATIENT_ID]


def test_empty_elements_are_there_without_a_value() -> None:
    header = read(explicit(tags.PATIENT_ID, "LO", b"") + explicit(tags.ROWS, "US", b""))
    assert header.values == {tags.PATIENT_ID: "", tags.ROWS: ""}


def test_reading_stops_at_pixel_data() -> None:
    header = read_header(PATIENT_ID + PIXELS[:12], EXPLICIT_VR_LITTLE_ENDIAN, complete=False)
    assert header.values == {tags.PATIENT_ID: "P1"}


def test_group_lengths_bulk_data_and_padding_are_no_attributes() -> None:
    data = (
        explicit(0x00080000, "UL", struct.pack("<I", 99))
        + explicit(tags.MODALITY, "CS", b"CT")
        + explicit(0x00281201, "OW", b"\0" * 64)
        + explicit(tags.DATA_SET_TRAILING_PADDING, "OB", b"\0" * 10)
    )
    assert read(data).values == {tags.MODALITY: "CT"}


def test_zeros_after_the_last_element_are_padding() -> None:
    assert read(PATIENT_ID + b"\0" * 3).text(tags.PATIENT_ID) == "P1"
    assert read(PATIENT_ID + b"\0" * 300).text(tags.PATIENT_ID) == "P1"


def test_odd_length_is_tolerated() -> None:
    data = explicit(tags.PATIENT_ID, "LO", b"ABC") + explicit(tags.PATIENT_SEX, "CS", b"F")
    assert read(data).values == {tags.PATIENT_ID: "ABC", tags.PATIENT_SEX: "F"}


@pytest.mark.parametrize(
    "sequence",
    [
        explicit(REFERENCED, "SQ", item(CONTENT) * 2),
        explicit(REFERENCED, "SQ", item(CONTENT) * 2 + END_OF_SEQUENCE, UNDEFINED),
        explicit(REFERENCED, "SQ", (ITEM + CONTENT + END_OF_ITEM) * 2),
        explicit(REFERENCED, "SQ", (ITEM + CONTENT + END_OF_ITEM) * 2 + END_OF_SEQUENCE, UNDEFINED),
    ],
)
def test_sequences_and_items_may_have_defined_and_undefined_length(sequence: bytes) -> None:
    header = read(sequence + PATIENT_ID)
    assert [one.text(tags.REFERENCED_SOP_INSTANCE_UID) for one in header.items(REFERENCED)] == ["1.2.3"] * 2
    assert header.text(tags.PATIENT_ID) == "P1"


def test_sequence_may_be_empty() -> None:
    data = explicit(REFERENCED, "SQ", b"") + explicit(0x00081110, "SQ", END_OF_SEQUENCE, UNDEFINED)
    assert read(data).values == {0x00081110: (), REFERENCED: ()}


def test_unknown_vr_of_undefined_length_is_an_implicit_sequence() -> None:
    content = implicit(tags.REFERENCED_SOP_INSTANCE_UID, b"1.2.3\0")
    data = explicit(0x00091001, "UN", ITEM + content + END_OF_ITEM + END_OF_SEQUENCE, UNDEFINED)
    header = read(explicit(0x00090010, "LO", b"ACME") + data + PATIENT_ID)
    assert header.items(0x00091001)[0].text(tags.REFERENCED_SOP_INSTANCE_UID) == "1.2.3"
    assert header.vrs == {0x00091001: "SQ"}


def test_unknown_vr_of_a_known_attribute_is_read_as_that_attribute() -> None:
    data = explicit(tags.PATIENT_ID, "UN", b"P1") + explicit(tags.ROWS, "UN", struct.pack("<H", 3))
    assert read(data) == Header({tags.PATIENT_ID: "P1", tags.ROWS: "3"})


def test_private_attribute_keeps_its_vr() -> None:
    data = explicit(0x00090010, "LO", b"ACME") + explicit(0x00091001, "DS", b"1.5 ")
    assert read(data) == Header({0x00090010: "ACME", 0x00091001: "1.5"}, {0x00091001: "DS"})


def test_private_attribute_of_a_known_creator_has_its_vr_in_implicit_too() -> None:
    data = implicit(0x00190010, b"SIEMENS CT VA0  COAD") + implicit(0x001910B0, b"23")
    header = read(data, IMPLICIT_VR_LITTLE_ENDIAN)
    assert header.values[0x001910B0] == "23"
    assert header.vrs == {0x001910B0: "DS"}


def test_private_attribute_of_an_unknown_creator_is_text_when_printable() -> None:
    data = (
        implicit(0x00190010, b"ACME")
        + implicit(0x00191001, b"TEXT")
        + implicit(0x00191002, b"\x01\x02\xff\xfe")
    )
    assert read(data, IMPLICIT_VR_LITTLE_ENDIAN) == Header({0x00190010: "ACME", 0x00191001: "TEXT"})


def test_pixel_representation_decides_between_signed_and_unsigned() -> None:
    smallest = implicit(0x00280106, struct.pack("<h", -2))
    signed = read(implicit(tags.PIXEL_REPRESENTATION, b"\1\0") + smallest, IMPLICIT_VR_LITTLE_ENDIAN)
    unsigned = read(implicit(tags.PIXEL_REPRESENTATION, b"\0\0") + smallest, IMPLICIT_VR_LITTLE_ENDIAN)
    assert (signed.text(0x00280106), signed.vrs) == ("-2", {0x00280106: "SS"})
    assert (unsigned.text(0x00280106), unsigned.vrs) == ("65534", {})


def test_items_inherit_the_charset_unless_they_have_their_own() -> None:
    own = explicit(tags.SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 192")
    sequence = explicit(
        REFERENCED,
        "SQ",
        item(explicit(tags.PATIENT_NAME, "PN", b"\xc4"))
        + item(own + explicit(tags.PATIENT_NAME, "PN", "王".encode())),
    )
    charset = explicit(tags.SPECIFIC_CHARACTER_SET, "CS", b"ISO_IR 100")
    header = read(charset + sequence + explicit(tags.PATIENT_NAME, "PN", b"\xd6"))
    assert [one.text(tags.PATIENT_NAME) for one in header.items(REFERENCED)] == ["Ä", "王"]
    assert header.text(tags.PATIENT_NAME) == "Ö"


def test_big_endian_is_read() -> None:
    data = struct.pack(">HH2sHH", 0x0028, 0x0010, b"US", 2, 512)
    assert read(data, EXPLICIT_VR_BIG_ENDIAN).values == {tags.ROWS: "512"}


def test_implicit_data_set_announced_as_explicit_is_read() -> None:
    assert read(implicit(tags.PATIENT_ID, b"P1")).values == {tags.PATIENT_ID: "P1"}


def test_explicit_data_set_announced_as_implicit_is_read() -> None:
    assert read(PATIENT_ID, IMPLICIT_VR_LITTLE_ENDIAN).values == {tags.PATIENT_ID: "P1"}


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


def test_deflated_data_set_is_read_from_its_beginning() -> None:
    data = deflated(PATIENT_ID + PIXELS + bytes(range(256)) * 4096)
    header = read_header(data[:200], DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, complete=False)
    assert header.values == {tags.PATIENT_ID: "P1"}
    assert read_header_from(io.BytesIO(data), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN) == header


def test_deflated_bomb_is_not_inflated_whole() -> None:
    bomb = deflated(explicit(0x00281201, "OW", bytes(64 * 1024 * 1024)))
    with pytest.raises(UnreadableDataSet):
        read_header(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, complete=True)


def test_bytes_that_cannot_be_inflated_are_refused() -> None:
    with pytest.raises(UnreadableDataSet, match="inflated"):
        read_header(b"\xff" * 100, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, complete=True)


def test_long_value_is_not_held() -> None:
    data = explicit(0x00091001, "UT", b"x" * (MAX_VALUE + 1)) + PATIENT_ID
    assert list(read(data).values) == [tags.PATIENT_ID]


@pytest.mark.parametrize("undefined", [True, False])
def test_long_sequence_is_not_held(undefined: bool) -> None:
    content = item(explicit(0x00420010, "ST", b"x" * 1000)) * (MAX_SEQUENCE // 1000)
    sequence = (
        explicit(REFERENCED, "SQ", content + END_OF_SEQUENCE, UNDEFINED)
        if undefined
        else explicit(REFERENCED, "SQ", content)
    )
    assert list(read(sequence + PATIENT_ID).values) == [tags.PATIENT_ID]


def test_long_functional_groups_end_the_header() -> None:
    groups = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, UNDEFINED)
    groups += item(explicit(0x00420010, "ST", b"x" * 1000)) * (MAX_SEQUENCE // 1000)
    header = read_header(PATIENT_ID + groups, EXPLICIT_VR_LITTLE_ENDIAN, complete=False)
    assert list(header.values) == [tags.PATIENT_ID]


def test_deep_nesting_is_passed_without_recursion() -> None:
    depth = MAX_DEPTH * 400
    opening = struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, UNDEFINED) + ITEM
    data = opening * depth + (END_OF_ITEM + END_OF_SEQUENCE) * depth + PATIENT_ID
    header = read(data)
    assert header.text(tags.PATIENT_ID) == "P1"


def test_too_many_elements_are_refused() -> None:
    data = explicit(tags.PATIENT_ID, "LO", b"") * 600_000
    with pytest.raises(UnreadableDataSet, match="too many"):
        read_header(data, EXPLICIT_VR_LITTLE_ENDIAN, complete=True)
    with pytest.raises(UnreadableDataSet, match="too many"):
        read_header_from(io.BytesIO(data), EXPLICIT_VR_LITTLE_ENDIAN)


def test_private_sequence_that_makes_no_sense_is_passed() -> None:
    data = explicit(0x00091001, "SQ", b"nonsense....") + PATIENT_ID
    assert list(read(data).values) == [tags.PATIENT_ID]


@pytest.mark.parametrize(
    "data",
    [
        explicit(REFERENCED, "SQ", b"nonsense...."),
        explicit(REFERENCED, "SQ", item(CONTENT)[:-2]),
        explicit(REFERENCED, "SQ", item(CONTENT), UNDEFINED),
        explicit(REFERENCED, "SQ", ITEM + CONTENT, UNDEFINED),
        explicit(tags.PATIENT_ID, "LO", b"P1", 4),
        PATIENT_ID + b"\1",
        END_OF_ITEM,
        b"This is no data set at all, but a line of text.",
    ],
)
def test_broken_data_set_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDataSet):
        read_header(data, EXPLICIT_VR_LITTLE_ENDIAN, complete=True)
    with pytest.raises(UnreadableDataSet):
        read_header_from(io.BytesIO(data), EXPLICIT_VR_LITTLE_ENDIAN)


def test_message_tells_nothing_of_the_patient() -> None:
    data = explicit(tags.PATIENT_NAME, "PN", b"SECRET") + explicit(tags.PATIENT_ID, "LO", b"P1", 4)
    with pytest.raises(UnreadableDataSet) as caught:
        read_header(data, EXPLICIT_VR_LITTLE_ENDIAN, complete=True)
    assert "SECRET" not in str(caught.value)


def test_header_from_a_file_passes_long_values_by_seeking() -> None:
    class CountingFile(io.BytesIO):
        count = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.count += len(data)
            return data

    blob = explicit(0x00091001, "OB", bytes(8 * 1024 * 1024))
    file = CountingFile(explicit(tags.MODALITY, "CS", b"CT") + blob + PATIENT_ID + PIXELS)
    header = read_header_from(file, EXPLICIT_VR_LITTLE_ENDIAN)
    assert list(header.values) == [tags.MODALITY, tags.PATIENT_ID]
    assert file.count < 256 * 1024


@cache
def _data_set(name: str) -> tuple[bytes, str]:
    with sample(name).open("rb") as file:
        meta = read_file_meta(file)
        return file.read(64 * 1024), meta.transfer_syntax_uid


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "reportsi.dcm"]
)
def test_prefix_gives_the_whole_header_or_asks_for_more(name: str) -> None:
    data, uid = _data_set(name)
    whole = read_header(data, uid, complete=len(data) < 64 * 1024)
    whole_from = None
    for size in range(0, min(len(data), 8000), 97):
        if whole_from is None:
            try:
                assert read_header(data[:size], uid, complete=False) == whole
                whole_from = size
            except HeaderIncomplete as incomplete:
                needed = incomplete.needed
                if needed <= size:
                    pytest.fail(f"{needed} bytes are asked for, but {size} were given")
        else:
            assert read_header(data[:size], uid, complete=False) == whole


UIDS = st.sampled_from(
    [
        EXPLICIT_VR_LITTLE_ENDIAN,
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ]
)


def _is_header_or_refused(data: bytes, uid: str) -> None:
    for complete in (True, False):
        try:
            header = read_header(data, uid, complete=complete)
        except UnreadableDataSet:
            continue
        assert isinstance(header, Header)
    try:
        read_header_from(io.BytesIO(data), uid)
    except UnreadableDataSet:
        return


@settings(deadline=2000, max_examples=300)
@given(st.binary(max_size=2000), UIDS)
def test_any_bytes_give_a_header_or_are_refused(data: bytes, uid: str) -> None:
    _is_header_or_refused(data, uid)


@settings(deadline=2000, max_examples=300)
@given(
    st.sampled_from(["CT_small.dcm", "MR_small_implicit.dcm", "nested_priv_SQ.dcm", "reportsi.dcm"]),
    st.lists(st.tuples(st.integers(0, 6000), st.binary(min_size=1, max_size=6)), max_size=8),
    st.integers(0, 8000),
    UIDS,
)
def test_damaged_data_set_gives_a_header_or_is_refused(
    name: str, damages: list[tuple[int, bytes]], size: int, uid: str
) -> None:
    data, announced = _data_set(name)
    damaged = bytearray(data[:size])
    for position, replacement in damages:
        if position < len(damaged):
            damaged[position : position + len(replacement)] = replacement
    _is_header_or_refused(bytes(damaged), announced)
    _is_header_or_refused(bytes(damaged), uid)


_STRUCTURE = st.sampled_from(
    [
        ITEM,
        END_OF_ITEM,
        END_OF_SEQUENCE,
        CONTENT,
        item(CONTENT),
        struct.pack("<HH2sHI", 0x0008, 0x1140, b"SQ", 0, UNDEFINED),
        struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, UNDEFINED),
        struct.pack("<HHI", 0x0008, 0x1140, UNDEFINED),
        PIXELS,
        PATIENT_ID,
        b"\0" * 8,
    ]
)


@settings(deadline=2000, max_examples=300)
@given(st.lists(_STRUCTURE, max_size=60), UIDS)
def test_any_order_of_delimiters_gives_a_header_or_is_refused(parts: list[bytes], uid: str) -> None:
    _is_header_or_refused(b"".join(parts), uid)

"""The writer: what it writes, the reader and pydicom read."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from pacs.dicom import tags
from pacs.dicom.attribute import BULK_VRS, TEXT_VRS, vr_dictionary
from pacs.dicom.element_value import float_text, single_text
from pacs.dicom.file_meta import FileMeta, encode_file_meta
from pacs.dicom.header import Header, Value
from pacs.dicom.reader import read_header
from pacs.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.dicom.writer import answer_charset, encode_header

UIDS = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]

ANSWER = Header(
    {
        tags.STUDY_DATE: "20040106",
        tags.STUDY_TIME: "103535.218000",
        tags.ACCESSION_NUMBER: "",
        tags.QUERY_RETRIEVE_LEVEL: "STUDY",
        tags.MODALITIES_IN_STUDY: "CT\\SR",
        tags.PROCEDURE_CODE_SEQUENCE: (Header({tags.CODE_VALUE: "CT0012", tags.CODE_MEANING: "Chest"}),),
        tags.PATIENT_NAME: "Doe^John",
        tags.STUDY_INSTANCE_UID: "1.2.840.1",
        tags.NUMBER_OF_STUDY_RELATED_INSTANCES: "2",
        0x00280009: "00181063",
        tags.ROWS: "512",
    }
)


@pytest.mark.parametrize("uid", UIDS)
def test_answer_reads_back_the_same(uid: str) -> None:
    assert read_header(encode_header(ANSWER, uid, ""), uid, complete=True) == ANSWER


def test_answer_is_written_in_order_of_tags_and_padded() -> None:
    header = Header({tags.PATIENT_ID: "P", tags.STUDY_INSTANCE_UID: "1.2", tags.MODALITY: "CT"})
    assert encode_header(header, EXPLICIT_VR_LITTLE_ENDIAN, "") == (
        b"\x08\x00\x60\x00CS\x02\x00CT\x10\x00\x20\x00LO\x02\x00P \x20\x00\x0d\x00UI\x04\x001.2\x00"
    )
    assert encode_header(header, IMPLICIT_VR_LITTLE_ENDIAN, "") == (
        b"\x08\x00\x60\x00\x02\x00\x00\x00CT\x10\x00\x20\x00\x02\x00\x00\x00P "
        b"\x20\x00\x0d\x00\x04\x00\x00\x001.2\x00"
    )


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Äneas^Rüdiger"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
        (r"\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (r"\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_pydicom_reads_what_is_written(uid: str, charset: str, name: str) -> None:
    header = Header(ANSWER.values | {tags.PATIENT_NAME: name, tags.PIXEL_REPRESENTATION: "0"})
    head = encode_file_meta(FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", uid))
    dataset = dcmread(io.BytesIO(head + encode_header(header, uid, charset)))
    assert dataset.SpecificCharacterSet == (charset.split("\\") if "\\" in charset else charset)
    assert dataset.PatientName == name
    assert dataset.StudyInstanceUID == "1.2.840.1"
    assert dataset.ModalitiesInStudy == ["CT", "SR"]
    assert dataset.Rows == 512
    assert dataset.ProcedureCodeSequence[0].CodeMeaning == "Chest"
    assert dataset.FrameIncrementPointer == 0x00181063
    assert dataset.AccessionNumber == ""


def test_charset_of_the_answer_replaces_that_of_the_header_and_of_its_items() -> None:
    item = Header({tags.SPECIFIC_CHARACTER_SET: "ISO_IR 100", tags.CODE_MEANING: "Ä"})
    header = Header({tags.SPECIFIC_CHARACTER_SET: "ISO_IR 100", tags.PROCEDURE_CODE_SEQUENCE: (item,)})
    read = read_header(
        encode_header(header, EXPLICIT_VR_LITTLE_ENDIAN, "ISO_IR 192"),
        EXPLICIT_VR_LITTLE_ENDIAN,
        complete=True,
    )
    assert read.text(tags.SPECIFIC_CHARACTER_SET) == "ISO_IR 192"
    assert read.items(tags.PROCEDURE_CODE_SEQUENCE)[0].values == {tags.CODE_MEANING: "Ä"}


def test_ascii_answer_has_no_charset() -> None:
    header = Header({tags.SPECIFIC_CHARACTER_SET: "ISO_IR 100", tags.PATIENT_NAME: "Doe"})
    assert answer_charset(header, "ISO_IR 192") == ""
    data = encode_header(header, EXPLICIT_VR_LITTLE_ENDIAN, "")
    assert (
        tags.SPECIFIC_CHARACTER_SET not in read_header(data, EXPLICIT_VR_LITTLE_ENDIAN, complete=True).values
    )


def test_charset_of_an_answer_looks_into_sequences() -> None:
    header = Header({tags.PROCEDURE_CODE_SEQUENCE: (Header({tags.CODE_MEANING: "Ä"}),)})
    assert answer_charset(header, "ISO_IR 100") == "ISO_IR 100"
    assert answer_charset(header, "") == "ISO_IR 192"
    header.values[tags.SPECIFIC_CHARACTER_SET] = "ISO_IR 148"
    assert answer_charset(header, "") == "ISO_IR 148"


@pytest.mark.parametrize("text", ["many", "70000", "-1", "1.5"])
def test_number_that_its_vr_cannot_hold_is_written_empty(text: str) -> None:
    data = encode_header(Header({tags.ROWS: text}), EXPLICIT_VR_LITTLE_ENDIAN, "")
    assert data == struct.pack("<HH2sH", 0x28, 0x10, b"US", 0)


def test_value_too_long_for_the_short_form_is_written_as_unknown() -> None:
    header = Header({tags.PATIENT_ID: "x" * 70_000})
    data = encode_header(header, EXPLICIT_VR_LITTLE_ENDIAN, "")
    assert data[:12] == struct.pack("<HH2sHI", 0x10, 0x20, b"UN", 0, 70_000)
    assert data[12:] == b"x" * 70_000


def test_private_attributes_keep_their_vr() -> None:
    header = Header(
        {0x00090010: "ACME", 0x00091001: "1.5", 0x00091002: "-3"}, {0x00091001: "DS", 0x00091002: "SL"}
    )
    data = encode_header(header, EXPLICIT_VR_LITTLE_ENDIAN, "")
    assert read_header(data, EXPLICIT_VR_LITTLE_ENDIAN, complete=True) == header


# Every header of canonical values, in UTF-8.
_BY_VR: dict[str, list[int]] = {}
for _tag, _vr in sorted(vr_dictionary().items()):
    if 0x00080006 < _tag < 0x52000000 and _tag & 0xFFFF and _tag != tags.PIXEL_REPRESENTATION:
        _BY_VR.setdefault(_vr, []).append(_tag)

_LETTERS = st.characters(
    codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp"), exclude_characters="\\\ufffd"
)
_RANGES = {
    "US": (0, 2**16 - 1),
    "SS": (-(2**15), 2**15 - 1),
    "UL": (0, 2**32 - 1),
    "SL": (-(2**31), 2**31 - 1),
    "UV": (0, 2**64 - 1),
    "SV": (-(2**63), 2**63 - 1),
}


def _one_value(vr: str) -> st.SearchStrategy[str]:
    if vr in _RANGES:
        return st.integers(*_RANGES[vr]).map(str)
    if vr == "FD":
        return st.floats(allow_nan=False).map(float_text)
    if vr == "FL":
        return st.floats(width=32, allow_nan=False).map(single_text)
    if vr == "AT":
        return st.integers(0, 2**32 - 1).map(lambda number: f"{number:08X}")
    if vr in TEXT_VRS or vr == "UR":
        return st.text(_LETTERS, max_size=20)
    return st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\"), max_size=20
    )


def _values(vr: str) -> st.SearchStrategy[str]:
    if vr in ("LT", "ST", "UR", "UT"):
        return _one_value(vr)
    return st.lists(_one_value(vr), max_size=3).map("\\".join)


def _elements(depth: int) -> st.SearchStrategy[tuple[int, Value]]:
    plain = [
        st.tuples(st.sampled_from(known), _values(vr))
        for vr, known in _BY_VR.items()
        if vr not in BULK_VRS | {"SQ", "UN"}
    ]
    strategies: list[st.SearchStrategy[tuple[int, Value]]] = list(plain)
    if depth:
        strategies.append(
            st.tuples(st.sampled_from(_BY_VR["SQ"]), st.lists(_headers(depth - 1), max_size=2).map(tuple))
        )
    return st.one_of(strategies)


def _headers(depth: int) -> st.SearchStrategy[Header]:
    return st.lists(_elements(depth), min_size=1, max_size=6).map(
        lambda pairs: Header(dict(sorted(pairs, key=lambda pair: pair[0])))
    )


@settings(deadline=2000, max_examples=200)
@given(_headers(2), st.sampled_from(UIDS))
def test_every_header_reads_back_the_same(header: Header, uid: str) -> None:
    charset = answer_charset(header, "ISO_IR 192")
    read = read_header(encode_header(header, uid, charset), uid, complete=True)
    assert read.values.pop(tags.SPECIFIC_CHARACTER_SET, "") == charset
    assert read == header

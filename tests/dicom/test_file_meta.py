"""File Meta Information: written as PS3.10 wants it, read as files have it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from pacs.dicom.file_meta import FileMeta, encode_file_meta, header_of_file, read_file_meta
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.errors import UnreadableDataSet
from tests.samples import sample, sample_paths

CT = FileMeta("1.2.840.10008.5.1.4.1.1.2", "1.2.3", EXPLICIT_VR_LITTLE_ENDIAN)
DATA_SET = b"\x08\x00\x60\x00CS\x02\x00CT"


def test_what_is_written_is_read_and_the_file_stands_at_its_data_set() -> None:
    head = encode_file_meta(CT, "STORESCU")
    file = io.BytesIO(head + DATA_SET)
    meta = read_file_meta(file)
    assert meta == FileMeta(CT.sop_class_uid, CT.sop_instance_uid, CT.transfer_syntax_uid, len(head))
    assert file.read() == DATA_SET


def test_pydicom_finds_every_required_element() -> None:
    dataset = dcmread(io.BytesIO(encode_file_meta(CT, "STORESCU") + DATA_SET))
    meta = dataset.file_meta
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.MediaStorageSOPClassUID == CT.sop_class_uid
    assert meta.MediaStorageSOPInstanceUID == CT.sop_instance_uid
    assert meta.TransferSyntaxUID == CT.transfer_syntax_uid
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.SourceApplicationEntityTitle == "STORESCU"
    assert len(encode_file_meta(CT)) == 128 + 4 + 12 + meta.FileMetaInformationGroupLength - (8 + 8)


@given(
    st.from_regex(r"[0-9](\.[0-9]{1,5}){1,10}", fullmatch=True),
    st.sampled_from(["", "A", "SIXTEEN_LETTERS_"]),
)
def test_any_instance_reads_back_the_same(uid: str, source_ae_title: str) -> None:
    meta = FileMeta(uid, uid + ".1", uid + ".2")
    head = encode_file_meta(meta, source_ae_title)
    read = read_file_meta(io.BytesIO(head + DATA_SET))
    assert (read.sop_class_uid, read.sop_instance_uid, read.transfer_syntax_uid) == (
        uid,
        uid + ".1",
        uid + ".2",
    )
    assert read.length == len(head)


@pytest.mark.parametrize(
    "path",
    [path for path in sample_paths() if path.read_bytes()[128:132] == b"DICM"],
    ids=lambda path: path.name,
)
def test_file_meta_of_samples_is_what_pydicom_reads(path: Path) -> None:
    theirs = read_file_meta_info(path)
    with path.open("rb") as file:
        mine = read_file_meta(file)
    assert mine.sop_class_uid == theirs.get("MediaStorageSOPClassUID", "")
    assert mine.sop_instance_uid == theirs.get("MediaStorageSOPInstanceUID", "")
    if "TransferSyntaxUID" in theirs:
        assert mine.transfer_syntax_uid == theirs.TransferSyntaxUID


@pytest.mark.parametrize(
    ("name", "transfer_syntax_uid"),
    [
        ("ExplVR_BigEndNoMeta.dcm", EXPLICIT_VR_BIG_ENDIAN),
        ("ExplVR_LitEndNoMeta.dcm", EXPLICIT_VR_LITTLE_ENDIAN),
        ("meta_missing_tsyntax.dcm", IMPLICIT_VR_LITTLE_ENDIAN),
    ],
)
def test_transfer_syntax_that_is_not_told_is_seen_from_the_data_set(
    name: str, transfer_syntax_uid: str
) -> None:
    with sample(name).open("rb") as file:
        meta, header = header_of_file(file)
    assert meta.transfer_syntax_uid == transfer_syntax_uid
    assert header.values


def test_file_meta_without_preamble_is_read() -> None:
    meta = read_file_meta(io.BytesIO(encode_file_meta(CT)[132:] + DATA_SET))
    assert meta.sop_instance_uid == CT.sop_instance_uid


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        b"\x89PNG\r\n\x1a\n" + bytes(2000),
        b"%PDF-1.7" + b"x" * 2000,
        bytes(128) + b"DICM",
        encode_file_meta(CT)[:200],
        bytes(128) + b"DICM" + b"\2\0\1\0OB\0\0\xff\xff\xff\xff",
    ],
)
def test_file_that_is_no_dicom_file_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableDataSet):
        header_of_file(io.BytesIO(data))


@given(st.binary(max_size=600), st.sampled_from([b"", bytes(128) + b"DICM", encode_file_meta(CT)]))
def test_any_file_is_read_or_refused(data: bytes, head: bytes) -> None:
    try:
        header_of_file(io.BytesIO(head + data))
    except UnreadableDataSet:
        return

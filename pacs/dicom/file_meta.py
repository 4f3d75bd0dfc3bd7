"""File Meta Information (PS3.10 section 7.1): the head of a Part 10 file, written and read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from pacs.dicom.header import Header
from pacs.dicom.reader import read_header_from
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.errors import UnreadableDataSet

_PREAMBLE = 128
_MAX_LENGTH = 64 * 1024
"""Bytes of File Meta Information; more is no File Meta Information."""

_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"OF", b"OD", b"OL", b"UC", b"UR")


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What the File Meta Information says. Empty UIDs where the file does not tell.

    ``length`` is the number of bytes before the data set, preamble and prefix included.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    length: int = 0


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b" " if vr in (b"AE", b"SH") else b"\0"
    if vr in _LONG_VRS:
        return struct.pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def encode_file_meta(meta: FileMeta, source_ae_title: str = "") -> bytes:
    """Preamble, ``DICM`` and File Meta Information for a data set that follows as it was received."""
    body = b"".join(
        (
            _element(0x01, b"OB", b"\0\1"),
            _element(0x02, b"UI", meta.sop_class_uid.encode("ascii")),
            _element(0x03, b"UI", meta.sop_instance_uid.encode("ascii")),
            _element(0x10, b"UI", meta.transfer_syntax_uid.encode("ascii")),
            _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID.encode("ascii")),
            _element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME.encode("ascii")),
            _element(0x16, b"AE", source_ae_title.encode("ascii", "replace")) if source_ae_title else b"",
        )
    )
    return bytes(_PREAMBLE) + b"DICM" + _element(0x00, b"UL", struct.pack("<I", len(body))) + body


def read_file_meta(file: BinaryIO) -> FileMeta:
    """The File Meta Information of ``file``, which then stands at its data set.

    Files without preamble, without group length, or without File Meta Information at all are read as far
    as their beginning shows what they are. Raises UnreadableDataSet for anything else.
    """
    start = file.tell()
    head = file.read(_PREAMBLE + 4 + 1024)
    offset = _PREAMBLE + 4 if head[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    if len(head) < offset + 8:
        raise UnreadableDataSet("The file is too short to be a DICOM file.")
    values: dict[int, str] = {}
    position = offset
    while True:
        if len(head) < position + 12 and len(head) < _MAX_LENGTH:
            head += file.read(4096)
        if head[position : position + 2] != b"\2\0" or len(head) < position + 8:
            break
        number, vr, length = struct.unpack_from("<H2sH", head, position + 2)
        position += 8
        if vr in _LONG_VRS:
            if len(head) < position + 4:
                raise UnreadableDataSet("The file ends in its File Meta Information.")
            (length,) = struct.unpack_from("<I", head, position)
            position += 4
        elif not vr.isalpha():
            (length,) = struct.unpack_from("<I", head, position - 4)
        if position + length > _MAX_LENGTH:
            raise UnreadableDataSet("The File Meta Information is longer than it can be.")
        if len(head) < position + length + 12:
            head += file.read(position + length + 4096 - len(head))
        if len(head) < position + length:
            raise UnreadableDataSet("The file ends in its File Meta Information.")
        if number in (0x02, 0x03, 0x10):
            values[number] = head[position : position + length].decode("latin-1").strip("\0 ")
        position += length
    transfer_syntax_uid = values.get(0x10) or _guess(head[position : position + 8])
    file.seek(start + position)
    return FileMeta(values.get(0x02, ""), values.get(0x03, ""), transfer_syntax_uid, position)


def _guess(beginning: bytes) -> str:
    """The transfer syntax that the first element of a data set shows.

    Raises UnreadableDataSet where it is not the element of a low group.
    """
    if len(beginning) < 8:
        raise UnreadableDataSet("The file holds no data set.")
    explicit = beginning[4:6].isalpha() and beginning[4:6].isupper()
    little, big = struct.unpack_from("<H", beginning)[0], struct.unpack_from(">H", beginning)[0]
    if little > 0xFF and big <= 0xFF and explicit:
        return EXPLICIT_VR_BIG_ENDIAN
    if little > 0xFF:
        raise UnreadableDataSet("The file does not begin like a DICOM file.")
    return EXPLICIT_VR_LITTLE_ENDIAN if explicit else IMPLICIT_VR_LITTLE_ENDIAN


def header_of_file(file: BinaryIO) -> tuple[FileMeta, Header]:
    """File Meta Information and header of a seekable ``file``, from where it stands.

    Raises UnreadableDataSet.
    """
    meta = read_file_meta(file)
    return meta, read_header_from(file, meta.transfer_syntax_uid)

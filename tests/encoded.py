"""Small data sets and Part 10 files, encoded for tests of what takes them in."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pacs.dicom import tags
from pacs.dicom.file_meta import FileMeta, encode_file_meta
from pacs.dicom.header import Header
from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, transfer_syntax
from pacs.dicom.writer import encode_header

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of CT Image Storage that a test makes up."""

    sop_instance_uid: str
    study: str = "1.2.1"
    series: str = "1.2.1.1"
    name: str = "DOE^JANE"
    pixels: bytes = b"\1\0\2\0"
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN

    @property
    def header(self) -> Header:
        """The attributes before the pixel data."""
        values = {
            tags.SOP_CLASS_UID: CT_IMAGE_STORAGE,
            tags.SOP_INSTANCE_UID: self.sop_instance_uid,
            tags.MODALITY: "CT",
            tags.PATIENT_NAME: self.name,
            tags.PATIENT_ID: "42",
            tags.STUDY_INSTANCE_UID: self.study,
            tags.SERIES_INSTANCE_UID: self.series,
        }
        return Header({tag: value for tag, value in values.items() if value})

    @property
    def data_set(self) -> bytes:
        """The encoded data set."""
        syntax = transfer_syntax(self.transfer_syntax_uid)
        order = ">" if syntax.big_endian else "<"
        element = struct.pack(order + "HH", 0x7FE0, 0x0010)
        if syntax.encapsulated:
            element += b"OB\0\0" + struct.pack("<I", 0xFFFFFFFF)
            element += struct.pack("<HHI", 0xFFFE, 0xE000, 0)
            element += struct.pack("<HHI", 0xFFFE, 0xE000, len(self.pixels)) + self.pixels
            element += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
        elif syntax.explicit:
            element += b"OW\0\0" + struct.pack(order + "I", len(self.pixels)) + self.pixels
        else:
            element += struct.pack("<I", len(self.pixels)) + self.pixels
        return encode_header(self.header, self.transfer_syntax_uid, "") + element

    @property
    def part_ten(self) -> bytes:
        """The Part 10 file."""
        meta = FileMeta(CT_IMAGE_STORAGE, self.sop_instance_uid, self.transfer_syntax_uid)
        return encode_file_meta(meta, "TEST") + self.data_set

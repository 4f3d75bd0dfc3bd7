"""Part 10 files taken apart without any of the appliance's code."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.filereader import _read_file_meta_info, read_preamble

DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True, slots=True)
class Parts:
    """What C-STORE needs of a file: UIDs, and the data set as it is encoded."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes


def take_apart(path: Path) -> Parts:
    """The parts of a file with or without File Meta Information; UIDs are those of the data set.

    A deflated data set of odd length gets the padding that it must have on the wire (PS3.5 section A.5).
    """
    data = path.read_bytes()
    offset, transfer_syntax = 0, ""
    with io.BytesIO(data) as file:
        if read_preamble(file, force=True) is not None:
            meta = _read_file_meta_info(file)
            offset, transfer_syntax = file.tell(), str(meta.get("TransferSyntaxUID", ""))
    ds = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
    if not transfer_syntax:
        implicit, little = ds.original_encoding
        transfer_syntax = "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")
    return Parts(
        sop_class_uid=str(ds.get("SOPClassUID", "")),
        sop_instance_uid=str(ds.get("SOPInstanceUID", "")),
        study_instance_uid=str(ds.get("StudyInstanceUID", "")),
        series_instance_uid=str(ds.get("SeriesInstanceUID", "")),
        transfer_syntax_uid=transfer_syntax,
        data_set=data[offset:] + b"\0" * ((len(data) - offset) % 2 * (transfer_syntax == DEFLATED)),
    )

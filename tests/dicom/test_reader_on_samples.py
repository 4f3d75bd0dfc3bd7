"""The reader held against pydicom, on every DICOM file that pydicom and pydicom-data ship."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from pacs.dicom import tags
from pacs.dicom.attribute import BULK_VRS, SINGLE_TEXT_VRS, vr_of
from pacs.dicom.element_reader import MAX_SEQUENCE, MAX_VALUE
from pacs.dicom.file_meta import header_of_file
from pacs.dicom.header import Header, Value
from pacs.errors import UnreadableDataSet
from tests.samples import sample, sample_paths

REFUSED = {
    "DICOMDIR-nooffset": "the last record of its directory is longer than the sequence it is in",
    "no_meta.dcm": "a byte stands before the data set; pydicom takes all of it for one element",
    "rtplan_truncated.dcm": "the file ends within a sequence",
}
"""Files that hold no whole header."""

READABLE = [path for path in sample_paths() if path.name not in REFUSED]

WITH_MORE_THAN_PYDICOM = {"priv_SQ.dcm"}
"""UN values that begin like a sequence (PS3.5 section 6.2.2) are sequences to the reader."""

NOT_PRINTABLE = {"J2K_pixelrep_mismatch.dcm"}
"""Files with UN values of which nobody knows what they are."""

AFTER_THE_WAVEFORM = {"waveform_ecg.dcm"}
"""A waveform too long to hold ends the header."""


def _canonical(element: DataElement) -> list[str | float]:
    """The values as pydicom has them, written as ``Header`` has them."""
    value = element.value
    if value is None:
        return []
    values = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    return [_canonical_value(one, str(element.VR)) for one in values]


def _canonical_value(value: object, vr: str) -> str | float:
    if isinstance(value, bytes):
        return value.decode("latin-1").strip("\0 ")
    if vr == "AT" and isinstance(value, int):
        return f"{int(value):08X}"
    if vr in ("FD", "FL") and isinstance(value, float):
        return value
    original = getattr(value, "original_string", None) if vr in ("DA", "DS", "DT", "IS", "TM") else None
    text = original if isinstance(original, str) else str(value)
    if vr in SINGLE_TEXT_VRS:
        return text.rstrip("\0 ")
    return text.strip("\0 ").removesuffix("=") if vr == "PN" else text.strip("\0 ")


def _assert_equal_text(text: str, element: DataElement, vr: str) -> None:
    wanted = _canonical(element)
    if vr in ("FD", "FL") and text:
        for mine, theirs in zip(text.split("\\"), wanted, strict=True):
            assert float(mine) == pytest.approx(theirs, rel=1e-6, nan_ok=True) or math.isclose(
                float(mine), float(theirs), abs_tol=1e-44
            )
        return
    if vr == "PN":
        text = "\\".join(name.removesuffix("=") for name in text.split("\\"))
    assert text == "\\".join(str(one) for one in wanted)


def _assert_agrees(header: Header, dataset: Dataset, more_than_pydicom: bool) -> None:
    for tag, value in header.values.items():
        element = dataset[tag]
        if more_than_pydicom and isinstance(value, tuple) and element.VR == "UN":
            continue
        vr = vr_of(tag, header)
        illegal_private = tag & 0x10000 and tag & 0xFFFF < 0x10
        assert vr == element.VR or illegal_private, f"{tag:08X}"
        if isinstance(value, tuple):
            assert len(value) == len(element.value)
            for item, other in zip(value, element.value, strict=True):
                _assert_agrees(item, other, more_than_pydicom)
        else:
            _assert_equal_text(value, element, str(element.VR))


def _read(path: Path) -> tuple[Header, Dataset]:
    with path.open("rb") as file:
        _, header = header_of_file(file)
    return header, dcmread(path, force=True, stop_before_pixels=True)


@pytest.fixture(autouse=True)
def pydicom_may_complain() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.name)
def test_every_value_is_what_pydicom_reads(path: Path) -> None:
    header, dataset = _read(path)
    assert header.values
    assert list(header.values) == sorted(header.values)
    _assert_agrees(header, dataset, path.name in WITH_MORE_THAN_PYDICOM)


@pytest.mark.parametrize("path", READABLE, ids=lambda path: path.name)
def test_nothing_is_left_out_that_a_header_should_hold(path: Path) -> None:
    header, dataset = _read(path)
    for tag in map(int, dataset.keys()):
        if tag in header.values or tag >= tags.FLOAT_PIXEL_DATA or tag & 0xFFFF == 0:
            continue
        element = dataset[tag]
        too_long = isinstance(element.value, str | bytes) and len(element.value) > MAX_VALUE
        late = path.name in AFTER_THE_WAVEFORM and tag >= 0x54000100
        unknown = path.name in NOT_PRINTABLE and element.VR == "UN"
        assert too_long or late or unknown or str(element.VR) in BULK_VRS | {"OB or OW"}, f"{tag:08X}"


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_file_without_a_whole_header_is_unreadable(name: str, reason: str) -> None:
    with sample(name).open("rb") as file, pytest.raises(UnreadableDataSet):
        header_of_file(file)


def test_long_waveform_ends_the_header() -> None:
    path = sample("waveform_ecg.dcm")
    assert path.stat().st_size > MAX_SEQUENCE
    values: dict[int, Value] = _read(path)[0].values
    assert 0x54000100 not in values
    assert tags.PATIENT_ID in values

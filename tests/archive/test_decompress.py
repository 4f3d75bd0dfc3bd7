"""Data sets in another transfer syntax: pixels, numbers and texts stay what they are."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from pacs.archive.decompress import Decompressor, can_decode, installed_decoders
from pacs.errors import DecodeFailure
from tests.samples import sample

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]


def reencoded(path: Path, syntax: str) -> Dataset:
    """What a destination would read."""
    with path.open("rb") as file:
        result, length = Decompressor().reencode(file, syntax)
    with result:
        data = result.read()
    assert len(data) == length
    target = UID(syntax)
    ds: Dataset = read_dataset(BytesIO(data), target.is_implicit_VR, target.is_little_endian)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = target
    return ds


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(
    "name",
    [
        "JPEG2000.dcm",
        "MR_small_RLE.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "JPEG-LL.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_rle_2frame.dcm",
        "image_dfl.dcm",
    ],
)
def test_pixels_are_those_of_pydicom(name: str, syntax: str) -> None:
    original, result = pydicom.dcmread(sample(name)), reencoded(sample(name), syntax)
    assert np.array_equal(result.pixel_array, original.pixel_array)
    assert result.SOPInstanceUID == original.SOPInstanceUID
    assert "PixelData" in result
    assert not result["PixelData"].is_undefined_length


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize(
    "name", ["MR_small_bigendian.dcm", "ExplVR_BigEnd.dcm", "SC_rgb_small_odd_big_endian.dcm", "CT_small.dcm"]
)
def test_byte_order_is_that_of_the_target(name: str, syntax: str) -> None:
    original, result = pydicom.dcmread(sample(name)), reencoded(sample(name), syntax)
    assert np.array_equal(result.pixel_array, original.pixel_array)
    for element in original:
        if element.tag.element and element.VR not in ("OW", "OB", "SQ", "UN"):
            assert result[element.tag].value == element.value


def test_big_endian_pixels_come_back_from_big_endian() -> None:
    original, result = (
        pydicom.dcmread(sample("CT_small.dcm")),
        reencoded(sample("CT_small.dcm"), ExplicitVRBigEndian),
    )
    assert np.array_equal(result.pixel_array, original.pixel_array)


def test_what_cannot_be_decoded_is_a_decode_failure(tmp_path: Path) -> None:
    ds = pydicom.dcmread(sample("JPEG2000.dcm"))
    ds.PixelData = pydicom.encaps.encapsulate([b"no code stream at all"])
    ds.save_as(tmp_path / "broken.dcm")
    with pytest.raises(DecodeFailure, match="cannot be converted"):
        reencoded(tmp_path / "broken.dcm", ExplicitVRLittleEndian)


def test_nothing_is_compressed() -> None:
    with sample("CT_small.dcm").open("rb") as file, pytest.raises(DecodeFailure):
        Decompressor().reencode(file, RLELossless)


def test_the_decoders_that_we_depend_on_are_installed() -> None:
    assert {JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless} <= installed_decoders().keys()
    assert can_decode(RLELossless)
    assert can_decode(ExplicitVRBigEndian)
    assert not can_decode("1.2.840.10008.1.2.4.100")  # MPEG2
    assert not can_decode("1.2.3.4")

"""Stored instances in another transfer syntax: pixel data decompressed, data sets re-encoded.

Needed only where a destination does not accept what is stored. pydicom and its decoder plug-ins do the
work, one object at a time so that memory stays that of one; the result is a temporary file.
"""

from __future__ import annotations

import tempfile
import threading
from typing import BinaryIO, cast

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, AllTransferSyntaxes

from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.errors import DecodeFailure

_WORD_BYTES = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def installed_decoders() -> dict[str, tuple[str, ...]]:
    """The plug-ins that can decompress, by the transfer syntax UID that they decompress."""
    found = ((str(uid), _plugins(str(uid))) for uid in AllTransferSyntaxes if uid.is_encapsulated)
    return {uid: plugins for uid, plugins in found if plugins}


def can_decode(transfer_syntax_uid: str) -> bool:
    """Whether instances of this transfer syntax can be sent in a native one."""
    return not transfer_syntax(transfer_syntax_uid).encapsulated or bool(_plugins(transfer_syntax_uid))


class Decompressor:
    """Converts one object at a time; others wait. May be used from many threads."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def reencode(self, part10: BinaryIO, transfer_syntax_uid: str) -> tuple[BinaryIO, int]:
        """The data set of ``part10`` in a native, not deflated, transfer syntax; and its length in bytes.

        There is no File Meta Information; the data set starts at the file's beginning. The caller closes
        it; ``part10`` stays open. Raises DecodeFailure.
        """
        target = transfer_syntax(transfer_syntax_uid)
        if target.encapsulated or target.deflated:
            raise DecodeFailure(f"nothing is compressed on the way out, as {transfer_syntax_uid} would be")
        with self._turn:
            result = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
            try:
                part10.seek(0)
                ds = pydicom.dcmread(part10, force=True)
                _convert(ds, is_big_endian=target.big_endian)
                dcmwrite(result, ds, implicit_vr=not target.explicit, little_endian=not target.big_endian)
            except Exception as error:  # decoder plug-ins raise whatever they like
                result.close()
                raise DecodeFailure(
                    f"an instance cannot be converted to {transfer_syntax_uid}: {type(error).__name__}"
                ) from error
        length = result.tell()
        result.seek(0)
        return result, length


def _plugins(transfer_syntax_uid: str) -> tuple[str, ...]:
    try:
        return tuple(get_decoder(UID(transfer_syntax_uid)).available_plugins)
    except NotImplementedError:
        return ()


def _convert(ds: Dataset, *, is_big_endian: bool) -> None:
    """Make ``ds`` ready to be written natively in another byte order."""
    source = UID(ds.file_meta.TransferSyntaxUID)
    if source.is_encapsulated and "PixelData" in ds:
        ds.decompress(generate_instance_uid=False)
    if (not source.is_little_endian) != is_big_endian:
        _swap_words(ds)
    # Without these two, only the data set is written.
    ds.file_meta = FileMetaDataset()
    ds.preamble = None


def _swap_words(ds: Dataset) -> None:
    """Turn the byte order of bulk values, which pydicom keeps as they were read (PS3.5 section 7.3)."""
    for element in ds.iterall():
        size = _WORD_BYTES.get(element.VR)
        if size and isinstance(element.value, bytes) and len(element.value) % size == 0:
            element.value = np.frombuffer(element.value, f"u{size}").byteswap().tobytes()

"""Looks at a received data set: its header, and whether it may be stored where it says it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.reader import read_header, read_header_from
from pacs.dicom.uid import check_uid
from pacs.errors import DataSetMismatch, HeaderIncomplete, InvalidUID, UnreadableDataSet
from pacs.index.hierarchy import placed
from pacs.storage import layout

PREFIX_BYTES = 64 * 1024
"""Of a data set kept in memory while it comes; holds the header of nearly every instance."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A data set that may be stored: its header, and the path it belongs to."""

    header: Header
    uri: str


def header_of(
    prefix: bytes | bytearray, size: int, transfer_syntax_uid: str, reopen: Callable[[], BinaryIO]
) -> Header:
    """The header of a data set of ``size`` bytes that begins with ``prefix``.

    Where the prefix ends too early, ``reopen`` gives the data set as a file. Raises UnreadableDataSet.
    """
    try:
        return read_header(prefix, transfer_syntax_uid, complete=len(prefix) >= size)
    except HeaderIncomplete:
        with reopen() as file:
            return read_header_from(file, transfer_syntax_uid)


def examine(header: Header, sop_class_uid: str, sop_instance_uid: str) -> Examined:
    """Check ``header`` against what was announced, and find its place.

    Raises DataSetMismatch where SOP class or instance differ from those announced (PS3.4 section B.2.3:
    status A900), UnreadableDataSet where Study or Series Instance UID are no UIDs (status C000). Without them
    the instance gets a place of its own (``hierarchy.placed``).
    """
    if header.text(tags.SOP_CLASS_UID) != sop_class_uid:
        raise DataSetMismatch(
            "The SOP Class UID of the data set is not the one announced; the sender must correct it."
        )
    if header.text(tags.SOP_INSTANCE_UID) != sop_instance_uid:
        raise DataSetMismatch(
            "The SOP Instance UID of the data set is not the one announced; the sender must correct it."
        )
    header = placed(header)
    study, series = header.text(tags.STUDY_INSTANCE_UID), header.text(tags.SERIES_INSTANCE_UID)
    for name, uid in (("Study", study), ("Series", series)):
        try:
            check_uid(uid)
        except InvalidUID as error:
            raise UnreadableDataSet(f"The {name} Instance UID is none: {error}") from error
    return Examined(header, layout.uri_of(study, series, sop_instance_uid))

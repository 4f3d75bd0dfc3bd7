"""Identifiers of C-FIND, C-MOVE and C-GET requests (PS3.4 sections C.4.1.1.3, C.4.2.1.4 and C.4.3.1.3)."""

from __future__ import annotations

from io import BytesIO

from pydicom.filereader import read_dataset

from pacs.dicom.element_reader import MAX_VALUE
from pacs.dicom.header import Header
from pacs.dicom.reader import read_header
from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.errors import UnreadableDataSet


def read_identifier(data: bytes, transfer_syntax_uid: str) -> Header:
    """The identifier in ``data``. Raises UnreadableDataSet.

    A header holds no value longer than ``MAX_VALUE``. In an identifier, to leave one out would be to match
    everything in place of a long list of UIDs: such lists are read here.
    """
    header = read_header(data, transfer_syntax_uid, complete=True)
    if len(data) <= MAX_VALUE:
        return header
    syntax = transfer_syntax(transfer_syntax_uid)
    try:
        ds = read_dataset(BytesIO(data), not syntax.explicit, not syntax.big_endian)
        for tag in ds.keys() - header.values.keys():
            value = ds.get_item(tag).value
            if isinstance(value, bytes) and len(value) > MAX_VALUE:
                header.values[int(tag)] = value.decode("ascii").strip(" \0")
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, OSError) as error:
        raise UnreadableDataSet("the identifier has a value that cannot be read") from error
    header.values = dict(sorted(header.values.items()))
    return header

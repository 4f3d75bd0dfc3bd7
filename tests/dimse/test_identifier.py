"""Identifiers are read whole, however long a list of UIDs is."""

from __future__ import annotations

import pytest
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.writer import encode_header
from pacs.dimse.identifier import read_identifier
from pacs.errors import UnreadableDataSet

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]


@pytest.mark.parametrize("count", [1, 200, 300, 3000])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_list_of_uids_is_read_however_long(syntax: str, count: int) -> None:
    uids = "\\".join(generate_uid() for _ in range(count))
    values = {tags.QUERY_RETRIEVE_LEVEL: "IMAGE", tags.SOP_INSTANCE_UID: uids, tags.STUDY_INSTANCE_UID: "1.2"}
    identifier = read_identifier(encode_header(Header(dict(values)), syntax, ""), syntax)
    assert identifier.values == values or identifier.values == dict(sorted(values.items()))


def test_a_long_value_that_is_no_text_is_unreadable() -> None:
    header = Header({tags.QUERY_RETRIEVE_LEVEL: "IMAGE", tags.SOP_INSTANCE_UID: "1" * 20_000})
    data = bytearray(encode_header(header, ExplicitVRLittleEndian, ""))
    data[1000] = 0xFF
    with pytest.raises(UnreadableDataSet):
        read_identifier(bytes(data), ExplicitVRLittleEndian)

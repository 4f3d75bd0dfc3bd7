"""Command sets: what is encoded is decoded, pydicom reads the same, and garbage is refused."""

from __future__ import annotations

import contextlib
import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filereader import read_dataset

from pacs.dimse import message
from pacs.dimse.message import Command, CommandField
from pacs.errors import UnreadableDataSet

uids = st.from_regex(r"[1-9](\.[0-9]{1,9}){0,5}", fullmatch=True)
titles = st.from_regex(r"[A-Z][A-Z0-9_]{0,15}", fullmatch=True)
shorts = st.none() | st.integers(0, 0xFFFF)

commands = st.builds(
    Command,
    field=st.sampled_from(list(CommandField)),
    message_id=st.integers(0, 0xFFFF),
    sop_class_uid=uids | st.just(""),
    sop_instance_uid=uids | st.just(""),
    has_data_set=st.booleans(),
    priority=shorts,
    status=shorts,
    error_comment=titles | st.just(""),
    move_destination=titles | st.just(""),
    move_originator_ae_title=titles | st.just(""),
    move_originator_message_id=shorts,
    remaining=shorts,
    completed=shorts,
    failed=shorts,
    warning=shorts,
)


@given(commands)
def test_what_is_encoded_is_decoded(command: Command) -> None:
    assert message.decode(message.encode(command)) == command


@given(commands)
def test_pydicom_reads_what_is_encoded(command: Command) -> None:
    data = message.encode(command)
    ds: Dataset = read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)
    assert ds.CommandGroupLength == len(data) - 12
    assert ds.CommandField == command.field
    assert ds.get("AffectedSOPClassUID", "") == command.sop_class_uid
    assert ds.get("Status") == command.status
    assert [element.tag for element in ds] == sorted(element.tag for element in ds)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_command_or_unreadable(data: bytes) -> None:
    with contextlib.suppress(UnreadableDataSet):
        assert message.decode(data).field >= 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\1",
        struct.pack("<HHIH", 0, 0x0110, 2, 1),
        struct.pack("<HHIH", 8, 0x0100, 2, 1),
        struct.pack("<HHI", 0, 0x0100, 2),
        struct.pack("<HHI", 0, 0x0100, 0),
    ],
)
def test_what_is_no_command_set_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableDataSet):
        message.decode(data)


def test_an_error_comment_is_cut_to_what_lo_holds() -> None:
    command = Command(field=CommandField.C_FIND_RSP, status=0xA900, error_comment="x" * 100)
    assert message.decode(message.encode(command)).error_comment == "x" * 64


def test_counts_beyond_us_stay_at_its_end() -> None:
    command = Command(field=CommandField.C_MOVE_RSP, remaining=70_000)
    assert message.decode(message.encode(command)).remaining == 65_535


def test_a_cancel_tells_which_message_it_cancels() -> None:
    command = Command(field=CommandField.C_CANCEL_RQ, message_id=7)
    data = message.encode(command)
    assert struct.pack("<HHIH", 0, 0x0120, 2, 7) in data

"""DIMSE command sets (PS3.7 section 6.3 and annex E): always implicit VR little endian.

``Command`` is the decoded form of all requests and responses that are served or sent; ``encode`` makes
bytes of it. What a peer sends beyond these elements is left out, as PS3.7 allows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pacs.errors import UnreadableDataSet

MAX_COMMAND_BYTES = 64 * 1024
"""The longest command set that is read; the longest possible one of real use has less than 1 KiB."""

NO_DATA_SET = 0x0101
DATA_SET = 0x0001


class CommandField(IntEnum):
    """Command Field (0000,0100), PS3.7 table E.1-1."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    C_CANCEL_RQ = 0x0FFF


RESPONSE_BIT = 0x8000


@dataclass(frozen=True, slots=True)
class Command:
    """A command set; ``None`` and empty text stand for absent elements.

    ``message_id`` is the Message ID of a request and the Message ID Being Responded To of responses and
    of C-CANCEL. ``sop_class_uid`` is the affected or the requested one.
    """

    field: int
    message_id: int = 0
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    has_data_set: bool = False
    priority: int | None = None
    status: int | None = None
    error_comment: str = ""
    move_destination: str = ""
    move_originator_ae_title: str = ""
    move_originator_message_id: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None

    @property
    def is_response(self) -> bool:
        """Whether this answers a request."""
        return bool(self.field & RESPONSE_BIT)


_ELEMENT = struct.Struct("<HHI")
_US = struct.Struct("<H")
_US_ELEMENT = struct.Struct("<HHIH")

_AFFECTED_SOP_CLASS_UID = 0x0002
_REQUESTED_SOP_CLASS_UID = 0x0003
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_MESSAGE_ID_RESPONDED_TO = 0x0120
_MOVE_DESTINATION = 0x0600
_PRIORITY = 0x0700
_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_SOP_INSTANCE_UID = 0x1000
_REQUESTED_SOP_INSTANCE_UID = 0x1001
_REMAINING = 0x1020
_COMPLETED = 0x1021
_FAILED = 0x1022
_WARNING = 0x1023
_MOVE_ORIGINATOR_AE_TITLE = 0x1030
_MOVE_ORIGINATOR_MESSAGE_ID = 0x1031

MAX_ERROR_COMMENT = 64
"""Error Comment (0000,0902) is an LO."""


def decode(data: bytes | bytearray | memoryview) -> Command:
    """The command set in ``data``. Raises UnreadableDataSet."""
    elements: dict[int, bytes] = {}
    data = bytes(data)
    position, end = 0, len(data)
    while position < end:
        if end - position < 8:
            raise UnreadableDataSet("a command set ends inside an element")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += 8
        if group != 0 or length > end - position:
            raise UnreadableDataSet("a command set holds what is no command element")
        elements[element] = data[position : position + length]
        position += length
    field = _number(elements, _COMMAND_FIELD)
    if field is None:
        raise UnreadableDataSet("a command set has no Command Field (0000,0100)")
    id_element = _MESSAGE_ID
    if field & RESPONSE_BIT or field == CommandField.C_CANCEL_RQ:
        id_element = _MESSAGE_ID_RESPONDED_TO
    return Command(
        field=field,
        message_id=_number(elements, id_element) or 0,
        sop_class_uid=_text(elements, _AFFECTED_SOP_CLASS_UID) or _text(elements, _REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=_text(elements, _AFFECTED_SOP_INSTANCE_UID)
        or _text(elements, _REQUESTED_SOP_INSTANCE_UID),
        has_data_set=_number(elements, _DATA_SET_TYPE) not in (None, NO_DATA_SET),
        priority=_number(elements, _PRIORITY),
        status=_number(elements, _STATUS),
        error_comment=_text(elements, _ERROR_COMMENT),
        move_destination=_text(elements, _MOVE_DESTINATION),
        move_originator_ae_title=_text(elements, _MOVE_ORIGINATOR_AE_TITLE),
        move_originator_message_id=_number(elements, _MOVE_ORIGINATOR_MESSAGE_ID),
        remaining=_number(elements, _REMAINING),
        completed=_number(elements, _COMPLETED),
        failed=_number(elements, _FAILED),
        warning=_number(elements, _WARNING),
    )


def encode(command: Command) -> bytes:
    """The command set's bytes, group length included."""
    parts: list[bytes] = []
    if command.sop_class_uid:
        parts.append(_uid_element(_AFFECTED_SOP_CLASS_UID, command.sop_class_uid))
    parts.append(_us_element(_COMMAND_FIELD, command.field))
    answers = command.is_response or command.field == CommandField.C_CANCEL_RQ
    parts.append(_us_element(_MESSAGE_ID_RESPONDED_TO if answers else _MESSAGE_ID, command.message_id))
    if command.move_destination:
        parts.append(_text_element(_MOVE_DESTINATION, command.move_destination))
    _add_number(parts, _PRIORITY, command.priority)
    parts.append(_us_element(_DATA_SET_TYPE, DATA_SET if command.has_data_set else NO_DATA_SET))
    _add_number(parts, _STATUS, command.status)
    if command.error_comment:
        parts.append(_text_element(_ERROR_COMMENT, command.error_comment[:MAX_ERROR_COMMENT]))
    if command.sop_instance_uid:
        parts.append(_uid_element(_AFFECTED_SOP_INSTANCE_UID, command.sop_instance_uid))
    _add_number(parts, _REMAINING, command.remaining)
    _add_number(parts, _COMPLETED, command.completed)
    _add_number(parts, _FAILED, command.failed)
    _add_number(parts, _WARNING, command.warning)
    if command.move_originator_ae_title:
        parts.append(_text_element(_MOVE_ORIGINATOR_AE_TITLE, command.move_originator_ae_title))
    _add_number(parts, _MOVE_ORIGINATOR_MESSAGE_ID, command.move_originator_message_id)
    body = b"".join(parts)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _number(elements: dict[int, bytes], element: int) -> int | None:
    raw = elements.get(element)
    if raw is None or len(raw) < 2:
        return None
    return int(_US.unpack_from(raw)[0])


def _text(elements: dict[int, bytes], element: int) -> str:
    raw = elements.get(element)
    return raw.decode("ascii", "replace").strip(" \0") if raw else ""


def _us_element(element: int, value: int) -> bytes:
    return _US_ELEMENT.pack(0, element, 2, value)


def _add_number(parts: list[bytes], element: int, value: int | None) -> None:
    if value is not None:
        # Counts of sub-operations are US: beyond 65535 they stay there.
        parts.append(_US_ELEMENT.pack(0, element, 2, min(value, 0xFFFF)))


def _uid_element(element: int, value: str) -> bytes:
    raw = value.encode("ascii", "replace")
    if len(raw) & 1:
        raw += b"\0"
    return _ELEMENT.pack(0, element, len(raw)) + raw


def _text_element(element: int, value: str) -> bytes:
    raw = value.encode("ascii", "replace")
    if len(raw) & 1:
        raw += b" "
    return _ELEMENT.pack(0, element, len(raw)) + raw

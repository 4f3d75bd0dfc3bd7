"""DIMSE statuses (PS3.7 annex C; PS3.4 annexes A, B and C), one table a service.

A status is its number (an ``int``) and knows its category, what it says to people, and where the standard
defines it. Those of PS3.7 hold for every service.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Category(StrEnum):
    """PS3.7 section C.1 to C.5."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


def category_of(code: int) -> Category:
    """The category of any status, a private or unknown one too (PS3.7 table C-1)."""
    if code == 0x0000:
        return Category.SUCCESS
    if code in (0xFF00, 0xFF01):
        return Category.PENDING
    if code == 0xFE00:
        return Category.CANCEL
    if code in (0x0001, 0x0107, 0x0116) or code & 0xF000 == 0xB000:
        return Category.WARNING
    return Category.FAILURE


class Status(IntEnum):
    """What every table has: ``code``, ``category``, ``text`` for people, ``section`` of the standard."""

    text: str
    section: str

    def __new__(cls, code: int, text: str, section: str) -> Status:
        """A member: its number, its words, its section."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.text = text
        member.section = section
        return member

    @property
    def code(self) -> int:
        """The number itself."""
        return int(self)

    @property
    def category(self) -> Category:
        """Success, pending, cancel, warning or failure."""
        return category_of(self)


class VerificationStatus(Status):
    """C-ECHO (PS3.7 section 9.1.5.1.4; PS3.4 annex A)."""

    SUCCESS = 0x0000, "Success", "PS3.7 C.1.1"
    SOP_CLASS_NOT_SUPPORTED = 0x0122, "The SOP class is not supported", "PS3.7 C.5.6"
    DUPLICATE_INVOCATION = 0x0210, "The Message ID is in use already", "PS3.7 C.5.8"
    UNRECOGNIZED_OPERATION = 0x0211, "The operation is not known", "PS3.7 C.5.21"
    MISTYPED_ARGUMENT = 0x0212, "A parameter of the command is missing or wrong", "PS3.7 C.5.11"


class StoreStatus(Status):
    """C-STORE (PS3.4 table B.2-1)."""

    SUCCESS = 0x0000, "Stored", "PS3.4 B.2.3"
    INVALID_SOP_INSTANCE = 0x0117, "The SOP Instance UID is not valid", "PS3.7 C.5.7"
    SOP_CLASS_NOT_SUPPORTED = 0x0122, "The SOP class is not supported", "PS3.7 C.5.6"
    NOT_AUTHORIZED = 0x0124, "The sender may not store here", "PS3.7 C.5.22"
    DUPLICATE_INVOCATION = 0x0210, "The Message ID is in use already", "PS3.7 C.5.8"
    UNRECOGNIZED_OPERATION = 0x0211, "The operation is not known", "PS3.7 C.5.21"
    MISTYPED_ARGUMENT = 0x0212, "A parameter of the command is missing or wrong", "PS3.7 C.5.11"
    OUT_OF_RESOURCES = 0xA700, "Storage is full or cannot be written", "PS3.4 B.2.3"
    DATA_SET_MISMATCH = 0xA900, "The data set does not match its SOP class or instance", "PS3.4 B.2.3"
    CANNOT_UNDERSTAND = 0xC000, "The data set cannot be understood", "PS3.4 B.2.3"
    COERCION = 0xB000, "Kept apart: another data set has this SOP Instance UID", "PS3.4 B.2.3"
    ELEMENTS_DISCARDED = 0xB006, "Elements were discarded", "PS3.4 B.2.3"
    DATA_SET_UNLIKE_SOP_CLASS = (
        0xB007,
        "The data set does not match its SOP class, but is kept",
        "PS3.4 B.2.3",
    )


class FindStatus(Status):
    """C-FIND (PS3.4 table C.4-1)."""

    SUCCESS = 0x0000, "All matches were sent", "PS3.4 C.4.1.1.4"
    SOP_CLASS_NOT_SUPPORTED = 0x0122, "The SOP class is not supported", "PS3.4 C.4.1.1.4"
    NOT_AUTHORIZED = 0x0124, "The caller may not query here", "PS3.7 C.5.22"
    DUPLICATE_INVOCATION = 0x0210, "The Message ID is in use already", "PS3.7 C.5.8"
    UNRECOGNIZED_OPERATION = 0x0211, "The operation is not known", "PS3.7 C.5.21"
    MISTYPED_ARGUMENT = 0x0212, "A parameter of the command is missing or wrong", "PS3.7 C.5.11"
    OUT_OF_RESOURCES = 0xA700, "The query needs more than there is", "PS3.4 C.4.1.1.4"
    IDENTIFIER_MISMATCH = 0xA900, "The identifier does not match the SOP class", "PS3.4 C.4.1.1.4"
    UNABLE_TO_PROCESS = 0xC000, "The query cannot be processed", "PS3.4 C.4.1.1.4"
    INVALID_IDENTIFIER = 0xC001, "The identifier cannot be understood", "PS3.4 C.4.1.1.4"
    INDEX_UNAVAILABLE = 0xC002, "The index cannot answer now", "PS3.4 C.4.1.1.4"
    CANCELLED = 0xFE00, "Matching ended on request", "PS3.4 C.4.1.1.4"
    PENDING = 0xFF00, "A match; every optional key was supported", "PS3.4 C.4.1.1.4"
    PENDING_KEYS_UNSUPPORTED = 0xFF01, "A match; an optional key was not supported", "PS3.4 C.4.1.1.4"


class MoveStatus(Status):
    """C-MOVE (PS3.4 table C.4-2)."""

    SUCCESS = 0x0000, "All sub-operations succeeded", "PS3.4 C.4.2.1.5"
    SOP_CLASS_NOT_SUPPORTED = 0x0122, "The SOP class is not supported", "PS3.4 C.4.2.1.5"
    NOT_AUTHORIZED = 0x0124, "The caller may not retrieve here", "PS3.4 C.4.2.1.5"
    DUPLICATE_INVOCATION = 0x0210, "The Message ID is in use already", "PS3.4 C.4.2.1.5"
    UNRECOGNIZED_OPERATION = 0x0211, "The operation is not known", "PS3.4 C.4.2.1.5"
    MISTYPED_ARGUMENT = 0x0212, "A parameter of the command is missing or wrong", "PS3.4 C.4.2.1.5"
    OUT_OF_RESOURCES_MATCHES = 0xA701, "The number of matches cannot be told", "PS3.4 C.4.2.1.5"
    OUT_OF_RESOURCES_SUB_OPERATIONS = 0xA702, "No sub-operation could be performed", "PS3.4 C.4.2.1.5"
    DESTINATION_UNKNOWN = 0xA801, "The Move Destination is not known", "PS3.4 C.4.2.1.5"
    IDENTIFIER_MISMATCH = 0xA900, "The identifier does not match the SOP class", "PS3.4 C.4.2.1.5"
    UNABLE_TO_PROCESS = 0xC000, "The request cannot be processed", "PS3.4 C.4.2.1.5"
    INVALID_IDENTIFIER = 0xC001, "The identifier cannot be understood", "PS3.4 C.4.2.1.5"
    INDEX_UNAVAILABLE = 0xC002, "The index cannot answer now", "PS3.4 C.4.2.1.5"
    SUB_OPERATIONS_FAILED = 0xB000, "One or more sub-operations failed", "PS3.4 C.4.2.1.5"
    CANCELLED = 0xFE00, "Sub-operations ended on request", "PS3.4 C.4.2.1.5"
    PENDING = 0xFF00, "Sub-operations go on", "PS3.4 C.4.2.1.5"


class GetStatus(Status):
    """C-GET (PS3.4 table C.4-3)."""

    SUCCESS = 0x0000, "All sub-operations succeeded", "PS3.4 C.4.3.1.4"
    SOP_CLASS_NOT_SUPPORTED = 0x0122, "The SOP class is not supported", "PS3.4 C.4.3.1.4"
    NOT_AUTHORIZED = 0x0124, "The caller may not retrieve here", "PS3.4 C.4.3.1.4"
    DUPLICATE_INVOCATION = 0x0210, "The Message ID is in use already", "PS3.4 C.4.3.1.4"
    UNRECOGNIZED_OPERATION = 0x0211, "The operation is not known", "PS3.4 C.4.3.1.4"
    MISTYPED_ARGUMENT = 0x0212, "A parameter of the command is missing or wrong", "PS3.4 C.4.3.1.4"
    OUT_OF_RESOURCES_MATCHES = 0xA701, "The number of matches cannot be told", "PS3.4 C.4.3.1.4"
    OUT_OF_RESOURCES_SUB_OPERATIONS = 0xA702, "No sub-operation could be performed", "PS3.4 C.4.3.1.4"
    IDENTIFIER_MISMATCH = 0xA900, "The identifier does not match the SOP class", "PS3.4 C.4.3.1.4"
    UNABLE_TO_PROCESS = 0xC000, "The request cannot be processed", "PS3.4 C.4.3.1.4"
    INVALID_IDENTIFIER = 0xC001, "The identifier cannot be understood", "PS3.4 C.4.3.1.4"
    INDEX_UNAVAILABLE = 0xC002, "The index cannot answer now", "PS3.4 C.4.3.1.4"
    SUB_OPERATIONS_FAILED = 0xB000, "One or more sub-operations failed", "PS3.4 C.4.3.1.4"
    CANCELLED = 0xFE00, "Sub-operations ended on request", "PS3.4 C.4.3.1.4"
    PENDING = 0xFF00, "Sub-operations go on", "PS3.4 C.4.3.1.4"

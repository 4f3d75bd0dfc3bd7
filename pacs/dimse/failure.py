"""Which DIMSE status each foreseen failure becomes, service by service (PS3.4 tables B.2-1, C.4-1 to C.4-3).

The first row whose error fits decides. Words for people go into Error Comment (0000,0902).
"""

from __future__ import annotations

from pacs.errors import (
    DataSetMismatch,
    IndexUnavailable,
    InvalidInput,
    InvalidUID,
    LeaseHeld,
    LeaseLost,
    OutOfResources,
    PacsError,
    PeerFailure,
    Unavailable,
    UnknownPeer,
    UnreadableDataSet,
)

SUCCESS = 0x0000
CANCEL = 0xFE00
PENDING = 0xFF00
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
INVALID_SOP_INSTANCE = 0x0117
STORE_OUT_OF_RESOURCES = 0xA700
STORE_DATA_SET_MISMATCH = 0xA900
STORE_COERCION = 0xB000
STORE_CANNOT_UNDERSTAND = 0xC000
QUERY_OUT_OF_RESOURCES = 0xA700
QUERY_IDENTIFIER_MISMATCH = 0xA900
QUERY_UNABLE_TO_PROCESS = 0xC001
RETRIEVE_UNABLE_TO_CALCULATE = 0xA701
RETRIEVE_UNABLE_TO_PERFORM = 0xA702
MOVE_DESTINATION_UNKNOWN = 0xA801
RETRIEVE_WITH_FAILURES = 0xB000

Table = tuple[tuple[type[PacsError], int], ...]

STORE: Table = (
    (DataSetMismatch, STORE_DATA_SET_MISMATCH),
    (UnreadableDataSet, STORE_CANNOT_UNDERSTAND),
    (InvalidUID, INVALID_SOP_INSTANCE),
    (InvalidInput, STORE_CANNOT_UNDERSTAND),
    (OutOfResources, STORE_OUT_OF_RESOURCES),
    (LeaseHeld, STORE_OUT_OF_RESOURCES),
    (LeaseLost, STORE_OUT_OF_RESOURCES),
    (Unavailable, STORE_OUT_OF_RESOURCES),
    (PacsError, PROCESSING_FAILURE),
)
FIND: Table = (
    (InvalidInput, QUERY_IDENTIFIER_MISMATCH),
    (OutOfResources, QUERY_OUT_OF_RESOURCES),
    (IndexUnavailable, QUERY_OUT_OF_RESOURCES),
    (PacsError, QUERY_UNABLE_TO_PROCESS),
)
RETRIEVE: Table = (
    (UnknownPeer, MOVE_DESTINATION_UNKNOWN),
    (InvalidInput, QUERY_IDENTIFIER_MISMATCH),
    (IndexUnavailable, RETRIEVE_UNABLE_TO_CALCULATE),
    (OutOfResources, RETRIEVE_UNABLE_TO_CALCULATE),
    (PeerFailure, RETRIEVE_UNABLE_TO_PERFORM),
    (PacsError, QUERY_UNABLE_TO_PROCESS),
)

STORE_WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
"""Warning statuses of C-STORE beside Bxxx (PS3.7 annex C.4)."""


def status_of(error: PacsError, table: Table) -> int:
    """The status that ``error`` becomes."""
    return next(status for kind, status in table if isinstance(error, kind))


def is_warning(status: int) -> bool:
    """Whether a C-STORE status tells that the instance was stored, with a remark."""
    return status & 0xF000 == 0xB000 or status in STORE_WARNINGS

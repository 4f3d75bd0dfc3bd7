"""Which DIMSE status each foreseen failure becomes, service by service (``pacs/dicom/status.py``).

The first row whose error fits decides. The error's words go into Error Comment (0000,0902).
"""

from __future__ import annotations

from pacs.dicom.status import FindStatus, MoveStatus, Status, StoreStatus
from pacs.errors import (
    DataSetMismatch,
    IndexUnavailable,
    InvalidInput,
    InvalidUID,
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
"""PS3.7 section C.5.10: an error of ours that nothing foresaw, or a peer's answer without a status."""
STORE_COERCION = StoreStatus.COERCION
MOVE_DESTINATION_UNKNOWN = MoveStatus.DESTINATION_UNKNOWN
RETRIEVE_WITH_FAILURES = MoveStatus.SUB_OPERATIONS_FAILED
RETRIEVE_UNABLE_TO_PERFORM = MoveStatus.OUT_OF_RESOURCES_SUB_OPERATIONS

Table = tuple[tuple[type[PacsError], Status], ...]

STORE: Table = (
    (DataSetMismatch, StoreStatus.DATA_SET_MISMATCH),
    (InvalidUID, StoreStatus.INVALID_SOP_INSTANCE),
    (InvalidInput, StoreStatus.CANNOT_UNDERSTAND),
    (OutOfResources, StoreStatus.OUT_OF_RESOURCES),
    (Unavailable, StoreStatus.OUT_OF_RESOURCES),
    (PacsError, StoreStatus.CANNOT_UNDERSTAND),
)
FIND: Table = (
    (UnreadableDataSet, FindStatus.INVALID_IDENTIFIER),
    (InvalidInput, FindStatus.IDENTIFIER_MISMATCH),
    (OutOfResources, FindStatus.OUT_OF_RESOURCES),
    (IndexUnavailable, FindStatus.INDEX_UNAVAILABLE),
    (PacsError, FindStatus.UNABLE_TO_PROCESS),
)
RETRIEVE: Table = (
    (UnknownPeer, MOVE_DESTINATION_UNKNOWN),
    (UnreadableDataSet, MoveStatus.INVALID_IDENTIFIER),
    (InvalidInput, MoveStatus.IDENTIFIER_MISMATCH),
    (IndexUnavailable, MoveStatus.OUT_OF_RESOURCES_MATCHES),
    (OutOfResources, MoveStatus.OUT_OF_RESOURCES_MATCHES),
    (PeerFailure, RETRIEVE_UNABLE_TO_PERFORM),
    (PacsError, MoveStatus.UNABLE_TO_PROCESS),
)
"""C-GET shares these numbers (PS3.4 table C.4-3), and knows no destinations."""


def status_of(error: PacsError, table: Table) -> Status:
    """The status that ``error`` becomes."""
    return next(status for kind, status in table if isinstance(error, kind))

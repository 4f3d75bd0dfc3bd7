"""Why an object was not taken: the reason codes of quarantine and of import reports."""

from __future__ import annotations

import time
from enum import StrEnum

from pacs.archive.observer import Caller
from pacs.errors import (
    DataSetMismatch,
    InvalidInput,
    InvalidUID,
    OutOfResources,
    PacsError,
    UnreadableDataSet,
)
from pacs.storage.quarantine import Note


class Reason(StrEnum):
    """What is wrong with an object; also the code in a quarantine note."""

    UNREADABLE = "unreadable"
    MISMATCH = "mismatch"
    INVALID_UID = "invalid-uid"
    CONFLICT = "conflict"
    STORAGE = "storage"


def reason_of(error: PacsError) -> Reason:
    """The reason that stands for ``error``."""
    if isinstance(error, DataSetMismatch):
        return Reason.MISMATCH
    if isinstance(error, InvalidUID):
        return Reason.INVALID_UID
    if isinstance(error, OutOfResources):
        return Reason.STORAGE
    return Reason.UNREADABLE


def note_of(
    reason: Reason,
    words: str,
    *,
    size: int,
    sop_class_uid: str = "",
    sop_instance_uid: str = "",
    transfer_syntax_uid: str = "",
    caller: Caller | None = None,
    source: str = "",
) -> Note:
    """A quarantine note of this moment."""
    by = caller or Caller()
    return Note(
        reason=reason,
        words=words,
        received=time.time(),
        size=size,
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
        calling_ae_title=by.calling_ae_title,
        called_ae_title=by.called_ae_title,
        address=by.address,
        source=source,
    )


def unreadable(error: InvalidInput) -> UnreadableDataSet:
    """``error`` as what C-STORE answers with C000."""
    return error if isinstance(error, UnreadableDataSet) else UnreadableDataSet(str(error))

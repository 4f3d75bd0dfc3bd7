"""The C-STORE sub-operations of C-MOVE and C-GET, and the responses that tell of them.

PS3.4 sections C.4.2 and C.4.3, PS3.7 sections 9.1.3 and 9.1.4. A pending response is optional; one goes out
after the first sub-operation and then at most each ``PENDING_SECONDS``, which is what a progress bar needs
and costs nothing.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

from pacs.archive.observer import Caller, Operation
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.status import Category, category_of
from pacs.dicom.writer import encode_header
from pacs.dimse import message
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import (
    CANCEL,
    PENDING,
    RETRIEVE_UNABLE_TO_PERFORM,
    RETRIEVE_WITH_FAILURES,
    SUCCESS,
)
from pacs.dimse.message import RESPONSE_BIT, Command
from pacs.dimse.store_scu import Prepared, StoreSCU
from pacs.errors import PacsError, PeerFailure
from pacs.index.protocol import Entity

PENDING_SECONDS = 0.05


@dataclass(slots=True)
class Tally:
    """What became of the sub-operations so far. ``size`` in bytes of data sets sent."""

    remaining: int = 0
    completed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    size: int = 0
    detail: str = ""
    """Why the last of the failed ones failed."""

    @property
    def failed(self) -> int:
        """How many failed."""
        return len(self.failed_uids)

    def fail(self, sop_instance_uid: str, detail: str) -> None:
        """Count a failed sub-operation."""
        self.remaining -= 1
        self.failed_uids.append(sop_instance_uid)
        self.detail = detail

    def count(self, status: int, prepared: Prepared) -> None:
        """Count the peer's answer to a sub-operation."""
        if category_of(status) not in (Category.SUCCESS, Category.WARNING):
            self.fail(prepared.sop_instance_uid, f"the peer answered an instance with status {status:04X}")
            return
        if status == SUCCESS:
            self.completed += 1
        else:
            self.warning += 1
        self.remaining -= 1
        self.size += prepared.size

    @property
    def status(self) -> int:
        """The final status once nothing remains."""
        if self.failed and not self.completed and not self.warning:
            return RETRIEVE_UNABLE_TO_PERFORM
        return RETRIEVE_WITH_FAILURES if self.failed or self.warning else SUCCESS

    def operation(
        self, name: str, status: int, caller: Caller, seconds: float, uid: str, detail: str
    ) -> Operation:
        """What the observer is told of the C-MOVE or C-GET that these were for."""
        return Operation(
            name,
            status,
            caller,
            seconds,
            size=self.size,
            count=self.completed + self.warning,
            failed=self.failed,
            uid=uid,
            detail=detail,
        )


class Progress:
    """The requestor's side of one C-MOVE or C-GET: pending responses, C-CANCEL, the final response."""

    def __init__(self, association: Association, request: Message) -> None:
        self._association = association
        self._request = request
        self._next_pending = 0.0

    def is_cancelled(self, tally: Tally, scu: StoreSCU) -> bool:
        """Report if it is time to; whether the requestor cancelled. Raises PeerFailure: it is lost."""
        now = time.monotonic()
        if now >= self._next_pending and tally.remaining:
            self._next_pending = now + PENDING_SECONDS
            self._send(PENDING, tally, "")
        message_id = self._request.command.message_id
        return message_id in scu.cancelled or self._association.is_cancelled(message_id)

    def finish(self, status: int, tally: Tally, comment: str) -> None:
        """Send the final response. Raises PeerFailure."""
        self._send(status, tally, comment)

    def _send(self, status: int, tally: Tally, comment: str) -> None:
        context = self._request.context
        identifier = b""
        if status not in (PENDING, SUCCESS) and tally.failed_uids:
            identifier = encode_failed_list(tally.failed_uids, context.transfer_syntax)
        response = Command(
            field=self._request.command.field | RESPONSE_BIT,
            message_id=self._request.command.message_id,
            sop_class_uid=context.abstract_syntax,
            has_data_set=bool(identifier),
            status=status,
            error_comment=comment,
            remaining=tally.remaining if status in (PENDING, CANCEL) else None,
            completed=tally.completed,
            failed=tally.failed,
            warning=tally.warning,
        )
        command = message.encode(response)
        if identifier:
            self._association.send_message(context.context_id, command, identifier)
        else:
            self._association.send_command(context.context_id, command)


class Ending(Enum):
    """How ``run`` ended."""

    DONE = auto()
    CANCELLED = auto()
    LOST = auto()
    """The association that instances were sent over was lost; the queue holds what was not tried."""


def run(scu: StoreSCU, queue: deque[Entity], tally: Tally, progress: Progress) -> Ending:
    """Send the instances of ``queue`` over one association; they leave the queue as they are tried.

    Raises PeerFailure where the requestor is lost.
    """
    ahead = _next(scu, queue, tally)
    try:
        while ahead is not None:
            current, ahead = ahead, None
            try:
                message_id = scu.send(current)
                # The peer is busy with this one now: time to open and read the next.
                ahead = _next(scu, queue, tally)
                status = scu.answer(message_id)
            except PeerFailure as error:
                tally.fail(current.sop_instance_uid, str(error))
                return Ending.LOST
            finally:
                current.close()
            tally.count(status, current)
            if progress.is_cancelled(tally, scu):
                return Ending.CANCELLED
        return Ending.DONE
    finally:
        if ahead is not None:
            ahead.close()
            queue.appendleft(ahead.entity)


def _next(scu: StoreSCU, queue: deque[Entity], tally: Tally) -> Prepared | None:
    """The next instance that can be sent; those that cannot are counted as failed."""
    while queue:
        entity = queue.popleft()
        try:
            return scu.prepare(entity)
        except PacsError as error:
            tally.fail(entity.identity.instance, str(error))
    return None


def encode_failed_list(sop_instance_uids: list[str], transfer_syntax_uid: str) -> bytes:
    """An identifier of Failed SOP Instance UID List (0008,0058) alone (PS3.4 section C.4.2.1.4.2)."""
    header = Header({tags.FAILED_SOP_INSTANCE_UID_LIST: "\\".join(sop_instance_uids)})
    return encode_header(header, transfer_syntax_uid, "")

"""C-STORE SCP (PS3.4 annex B, PS3.7 section 9.1.1).

The pieces of the data set go straight from the receive buffer to the store: nothing of it is gathered here.
"""

from __future__ import annotations

import time

from pacs.archive.observer import Observer, Operation
from pacs.archive.store import Outcome, Store, Stored
from pacs.dicom.sop_class import is_storage
from pacs.dicom.status import Status, StoreStatus
from pacs.dimse import message
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import STORE, STORE_COERCION, status_of
from pacs.dimse.message import Command, CommandField
from pacs.errors import PacsError, PeerFailure


class StoreSCP:
    """Hands received instances to the store, and answers when they are durable."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        self._observer = observer

    def serve(self, association: Association, request: Message) -> None:
        """Receive and store one instance."""
        begun = time.monotonic()
        size, detail = 0, ""
        status: Status
        try:
            refusal = _refusal(request)
            if refusal:
                status, detail = refusal
                association.skip_data_set()
            else:
                stored = self._receive(association, request)
                size, detail = stored.size, stored.detail
                status = STORE_COERCION if stored.outcome is Outcome.CONFLICT else StoreStatus.SUCCESS
        except PeerFailure:
            raise
        except PacsError as error:
            association.skip_data_set()
            status, detail = status_of(error, STORE), str(error)
        command = request.command
        response = Command(
            field=CommandField.C_STORE_RSP,
            message_id=command.message_id,
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            status=status,
            error_comment=detail if status else "",
        )
        association.send_command(request.context.context_id, message.encode(response))
        is_kept = status in (StoreStatus.SUCCESS, STORE_COERCION)
        self._observer.operation(
            Operation(
                "C-STORE",
                status,
                association.caller,
                time.monotonic() - begun,
                size=size,
                count=int(is_kept),
                failed=int(not is_kept),
                uid=command.sop_instance_uid,
                detail=detail,
            )
        )

    def _receive(self, association: Association, request: Message) -> Stored:
        incoming = self._store.begin(
            sop_class_uid=request.command.sop_class_uid,
            sop_instance_uid=request.command.sop_instance_uid,
            transfer_syntax_uid=request.context.transfer_syntax,
            caller=association.caller,
        )
        try:
            write = incoming.write
            for piece in association.data_set():
                write(piece)
        except BaseException:
            incoming.abort()
            raise
        return incoming.commit()


def _refusal(request: Message) -> tuple[Status, str] | None:
    """Why the request cannot be served at all, if so."""
    context, command = request.context, request.command
    if command.sop_class_uid != context.abstract_syntax or not is_storage(context.abstract_syntax):
        return StoreStatus.SOP_CLASS_NOT_SUPPORTED, "the SOP class is not that of the presentation context"
    if not command.has_data_set:
        return StoreStatus.CANNOT_UNDERSTAND, "the request has no data set"
    return None

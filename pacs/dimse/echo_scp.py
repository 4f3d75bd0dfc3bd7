"""C-ECHO SCP (PS3.4 annex A, PS3.7 section 9.1.5)."""

from __future__ import annotations

import time

from pacs.archive.observer import Observer, Operation
from pacs.dimse import message
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import SUCCESS
from pacs.dimse.message import Command, CommandField


class EchoSCP:
    """Answers C-ECHO."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def serve(self, association: Association, request: Message) -> None:
        """Answer with success."""
        begun = time.monotonic()
        response = Command(
            field=CommandField.C_ECHO_RSP,
            message_id=request.command.message_id,
            sop_class_uid=request.context.abstract_syntax,
            status=SUCCESS,
        )
        association.send_command(request.context.context_id, message.encode(response))
        self._observer.operation(Operation("C-ECHO", SUCCESS, association.caller, time.monotonic() - begun))

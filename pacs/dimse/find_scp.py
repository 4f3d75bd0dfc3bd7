"""C-FIND SCP for the Query/Retrieve information models (PS3.4 section C.4.1, PS3.7 section 9.1.2).

Answers are encoded and sent while the index still finds more. Several go out in one system call, but none
waits for longer than a moment; between two calls the association is looked at for a C-CANCEL.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from pacs.archive.find import Find
from pacs.archive.observer import Observer, Operation
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.writer import answer_charset, encode_header
from pacs.dimse import message, pdu
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import CANCEL, FIND, PENDING, SUCCESS, status_of
from pacs.dimse.identifier import read_identifier
from pacs.dimse.message import Command, CommandField
from pacs.dimse.sop_class import QUERY_RETRIEVE
from pacs.errors import InvalidQuery, PacsError, PeerFailure
from pacs.query.identifier import query_from_identifier
from pacs.query.tree import Query

BATCH_BYTES = 64 * 1024
BATCH_SECONDS = 0.005


@dataclass(slots=True)
class _Progress:
    count: int = 0
    size: int = 0
    uid: str = ""


class FindSCP:
    """Answers C-FIND from the archive."""

    def __init__(self, find: Find, observer: Observer) -> None:
        self._find = find
        self._observer = observer

    def serve(self, association: Association, request: Message) -> None:
        """Stream the answers, then the final response."""
        begun = time.monotonic()
        progress = _Progress()
        detail = ""
        out = _Batch(association, request)
        try:
            identifier, query = self._query(association, request)
            progress.uid = identifier.text(tags.STUDY_INSTANCE_UID)
            status = self._answer(out, identifier, query, progress)
        except PeerFailure:
            raise
        except PacsError as error:
            association.skip_data_set()
            status, detail = status_of(error, FIND), str(error)
        out.finish(status, detail)
        self._observer.operation(
            Operation(
                "C-FIND",
                status,
                association.caller,
                time.monotonic() - begun,
                size=progress.size,
                count=progress.count,
                uid=progress.uid,
                detail=detail,
            )
        )

    def _query(self, association: Association, request: Message) -> tuple[Header, Query]:
        abstract_syntax = request.context.abstract_syntax
        operation, model = QUERY_RETRIEVE.get(abstract_syntax, (None, None))
        if model is None or operation is not CommandField.C_FIND_RQ or not request.command.has_data_set:
            raise InvalidQuery("C-FIND needs an identifier, on a presentation context of a FIND SOP class")
        identifier = read_identifier(association.identifier(), request.context.transfer_syntax)
        options = association.agreement.negotiated(abstract_syntax)
        return identifier, query_from_identifier(identifier, model=model, options=options)

    def _answer(self, out: _Batch, identifier: Header, query: Query, progress: _Progress) -> int:
        preferred = identifier.text(tags.SPECIFIC_CHARACTER_SET)
        syntax = out.transfer_syntax
        for answer in self._find.answers(query):
            data = encode_header(answer, syntax, answer_charset(answer, preferred))
            progress.count += 1
            progress.size += len(data)
            if out.add(data):
                return CANCEL
        return SUCCESS


class _Batch:
    """Pending responses on their way out."""

    def __init__(self, association: Association, request: Message) -> None:
        self.transfer_syntax = request.context.transfer_syntax
        self._association = association
        self._request = request
        self._limit = association.agreement.peer_max_pdu
        pending = Command(
            field=CommandField.C_FIND_RSP,
            message_id=request.command.message_id,
            sop_class_uid=request.context.abstract_syntax,
            has_data_set=True,
            status=PENDING,
        )
        # The command of every pending response is the same: it is encoded once.
        self._pending = association.pack(request.context.context_id, message.encode(pending))
        self._parts: list[bytes | memoryview] = []
        self._bytes = 0
        self._begun = 0.0

    def add(self, data_set: bytes) -> bool:
        """Queue one answer; True when the requestor has cancelled."""
        if not self._parts:
            self._begun = time.monotonic()
        self._parts.append(self._pending)
        self._parts += pdu.encode_p_data(
            self._request.context.context_id, data_set, self._limit, is_command=False
        )
        self._bytes += len(data_set) + len(self._pending)
        if self._bytes < BATCH_BYTES and time.monotonic() - self._begun < BATCH_SECONDS:
            return False
        self._flush()
        return self._association.is_cancelled(self._request.command.message_id)

    def finish(self, status: int, comment: str) -> None:
        """Send what is queued and the final response."""
        final = Command(
            field=CommandField.C_FIND_RSP,
            message_id=self._request.command.message_id,
            sop_class_uid=self._request.context.abstract_syntax,
            status=status,
            error_comment=comment,
        )
        self._parts.append(self._association.pack(self._request.context.context_id, message.encode(final)))
        self._flush()

    def _flush(self) -> None:
        self._association.connection.send(b"".join(self._parts))
        self._parts.clear()
        self._bytes = 0

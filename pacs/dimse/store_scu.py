"""C-STORE SCU (PS3.4 annex B, PS3.7 section 9.1.1): stored instances sent over an association.

Used by C-MOVE (an association of its own to the destination) and C-GET (the requestor's association). An
instance goes out in its stored transfer syntax where a context for that was accepted, otherwise in a
native one. ``prepare`` opens the next instance and reads its beginning while the peer still works on the
one before: two buffers take turns.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from pacs.archive.decompress import Decompressor
from pacs.archive.retrieve import Retrieve
from pacs.dicom import tags
from pacs.dicom.file_meta import read_file_meta
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from pacs.dimse import message
from pacs.dimse.association import Association
from pacs.dimse.failure import PROCESSING_FAILURE
from pacs.dimse.fragment import FragmentBuffer
from pacs.dimse.message import Command, CommandField
from pacs.dimse.negotiation import MAX_CONTEXTS, Context, ProposedContext
from pacs.errors import PacsError, PeerFailure, UnreadableDataSet
from pacs.index.protocol import Entity

NATIVE = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""What is offered beside the stored transfer syntaxes, and converted to."""
_MEDIUM_PRIORITY = 0


@dataclass(frozen=True, slots=True)
class Originator:
    """The C-MOVE that a C-STORE is a sub-operation of."""

    ae_title: str
    message_id: int


@dataclass(slots=True)
class Prepared:
    """An instance opened and its first bytes read: ready to go out."""

    entity: Entity
    file: BinaryIO
    context: Context
    sop_class_uid: str
    offset: int
    size: int
    """Of the data set, in bytes."""
    buffer: FragmentBuffer
    first: memoryview

    @property
    def sop_instance_uid(self) -> str:
        """Of the instance."""
        return self.entity.identity.instance

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class StoreSCU:
    """Sends instances over ``association``, one after the other."""

    def __init__(
        self,
        association: Association,
        retrieve: Retrieve,
        decompressor: Decompressor,
        originator: Originator | None = None,
    ) -> None:
        self._association = association
        self._retrieve = retrieve
        self._decompressor = decompressor
        self._originator = originator
        self._contexts = {
            (context.abstract_syntax, context.transfer_syntax): context
            for context in association.agreement.contexts.values()
            if context.peer_is_scp
        }
        limit = association.agreement.peer_max_pdu
        self._buffers = [FragmentBuffer(limit), FragmentBuffer(limit)]
        self._message_id = 0
        self.cancelled: set[int] = set()

    def prepare(self, entity: Entity) -> Prepared:
        """Open an instance and read its beginning.

        At most two may be prepared and not yet sent. Raises NotFound, UnreadableDataSet,
        and PeerFailure where the peer accepted no context for it; the association is good after each.
        """
        file = self._retrieve.open(entity)
        try:
            return self._prepare(file, entity)
        except BaseException as error:
            file.close()
            if isinstance(error, OSError):
                raise UnreadableDataSet("a stored file cannot be read") from error
            raise

    def _prepare(self, file: BinaryIO, entity: Entity) -> Prepared:
        meta = read_file_meta(file)
        offset = file.tell()
        size = file.seek(0, 2) - offset
        sop_class_uid = entity.header.text(tags.SOP_CLASS_UID)
        context = self._contexts.get((sop_class_uid, meta.transfer_syntax_uid))
        if context is None:
            context = self._native_context(sop_class_uid)
            if context is None:
                raise PeerFailure("the peer accepts no presentation context for the SOP class of an instance")
            original = file
            file, size = self._decompressor.reencode(original, context.transfer_syntax)
            original.close()
            offset = 0
        elif size % 2 and transfer_syntax(meta.transfer_syntax_uid).deflated:
            original = file
            file, offset, size = _padded(original, offset), 0, size + 1
            original.close()
        self._buffers.reverse()
        buffer = self._buffers[0]
        first = buffer.fill(file, offset, size, context.context_id)
        return Prepared(entity, file, context, sop_class_uid, offset, size, buffer, first)

    def _native_context(self, sop_class_uid: str) -> Context | None:
        found = (self._contexts.get((sop_class_uid, syntax)) for syntax in NATIVE)
        return next((context for context in found if context is not None), None)

    def send(self, prepared: Prepared) -> int:
        """Send the request and its data set; its Message ID. Raises PeerFailure: the association is lost."""
        self._message_id = self._message_id % 0xFFFF + 1
        originator = self._originator
        request = Command(
            field=CommandField.C_STORE_RQ,
            message_id=self._message_id,
            sop_class_uid=prepared.sop_class_uid,
            sop_instance_uid=prepared.sop_instance_uid,
            has_data_set=True,
            priority=_MEDIUM_PRIORITY,
            move_originator_ae_title=originator.ae_title if originator else "",
            move_originator_message_id=originator.message_id if originator else None,
        )
        association, buffer = self._association, prepared.buffer
        command = association.pack(prepared.context.context_id, message.encode(request))
        association.connection.send_parts([command, prepared.first])
        done = buffer.capacity
        while done < prepared.size:
            try:
                piece = buffer.fill(
                    prepared.file,
                    prepared.offset + done,
                    prepared.size - done,
                    prepared.context.context_id,
                )
            except (OSError, PacsError) as error:
                # Half a data set is on its way: only the end of the association tells the peer so.
                association.abort()
                raise PeerFailure("the association was aborted: a stored file cannot be read") from error
            association.connection.send(piece)
            done += buffer.capacity
        return self._message_id

    def answer(self, message_id: int) -> int:
        """The status that the peer answers the C-STORE ``message_id`` with. Raises PeerFailure.

        A C-CANCEL that comes meanwhile (C-GET shares the association) is kept in ``cancelled``.
        """
        while True:
            answer = self._association.next_answer().command
            if answer.field == CommandField.C_CANCEL_RQ:
                self.cancelled.add(answer.message_id)
            elif answer.field == CommandField.C_STORE_RSP and answer.message_id == message_id:
                return answer.status if answer.status is not None else PROCESSING_FAILURE
            else:
                self._association.abort()
                raise PeerFailure("the peer answered something else than the C-STORE it was sent")


def _padded(file: BinaryIO, offset: int) -> BinaryIO:
    """A deflated data set of odd length, as files may hold it, with its padding (PS3.5 section A.5)."""
    copy = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - the caller closes it
    file.seek(offset)
    shutil.copyfileobj(file, copy)
    copy.write(b"\0")
    copy.flush()
    return copy


def propose(needs: Iterable[tuple[str, str]]) -> list[list[ProposedContext]]:
    """The contexts for (SOP class, stored transfer syntax) pairs: one list for each association needed.

    For each SOP class, every stored syntax has a context of its own, and so have the native ones: a context
    yields one syntax only, and the choice must stay ours. The contexts of a SOP class stay together.
    """
    syntaxes: dict[str, list[str]] = {}
    for sop_class_uid, transfer_syntax_uid in needs:
        wanted = syntaxes.setdefault(sop_class_uid, list(NATIVE))
        if transfer_syntax_uid not in wanted:
            wanted.append(transfer_syntax_uid)
    associations: list[list[ProposedContext]] = [[]]
    for sop_class_uid, wanted in syntaxes.items():
        wanted = wanted[:MAX_CONTEXTS]
        if len(associations[-1]) + len(wanted) > MAX_CONTEXTS:
            associations.append([])
        contexts = associations[-1]
        contexts.extend(
            ProposedContext(2 * number + 1, sop_class_uid, (syntax,))
            for number, syntax in enumerate(wanted, start=len(contexts))
        )
    return [contexts for contexts in associations if contexts]

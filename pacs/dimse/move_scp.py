"""C-MOVE SCP (PS3.4 section C.4.2, PS3.7 section 9.1.4)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator

from pacs.archive.decompress import Decompressor
from pacs.archive.find import Find
from pacs.archive.observer import Observer
from pacs.archive.retrieve import Retrieve
from pacs.dicom import tags
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import CANCEL, RETRIEVE, status_of
from pacs.dimse.message import CommandField
from pacs.dimse.negotiation import ProposedContext
from pacs.dimse.requestor import request_association
from pacs.dimse.selection import select
from pacs.dimse.store_scu import Originator, StoreSCU, propose
from pacs.dimse.sub_operation import Ending, Progress, Tally, run
from pacs.errors import PacsError, PeerFailure
from pacs.index.protocol import Entity
from pacs.peers.peer import Peer
from pacs.peers.registry import PeerRegistry

_MAX_PDU = 16384
"""What a destination may send us, in bytes: responses only."""
MAX_LOSSES = 3
"""How often an association to a destination is opened again, without success of any instance."""


class MoveSCP:
    """Sends what C-MOVE asks for to peers. ``ae_title`` is ours, as calling AE title towards them."""

    def __init__(
        self,
        find: Find,
        retrieve: Retrieve,
        peers: PeerRegistry,
        decompressor: Decompressor,
        observer: Observer,
        ae_title: str,
    ) -> None:
        self._find = find
        self._retrieve = retrieve
        self._peers = peers
        self._decompressor = decompressor
        self._observer = observer
        self._ae_title = ae_title

    def serve(self, association: Association, request: Message) -> None:
        """Find the instances, send them, report."""
        begun = time.monotonic()
        tally, progress = Tally(), Progress(association, request)
        uid = ""
        try:
            peer = self._peers.get(request.command.move_destination)
            selection = select(self._find, association, request, CommandField.C_MOVE_RQ)
            uid = selection.uid
            tally.remaining = len(selection.entities)
            is_cancelled = self._send(association, request, peer, selection.entities, tally, progress)
            status, detail = CANCEL if is_cancelled else tally.status, tally.detail
        except PeerFailure:
            raise
        except PacsError as error:
            association.skip_data_set()
            status, detail = status_of(error, RETRIEVE), str(error)
        progress.finish(status, tally, detail)
        seconds = time.monotonic() - begun
        self._observer.operation(tally.operation("C-MOVE", status, association.caller, seconds, uid, detail))

    def _send(
        self,
        association: Association,
        request: Message,
        peer: Peer,
        entities: list[Entity],
        tally: Tally,
        progress: Progress,
    ) -> bool:
        """Send all, over as many associations as their contexts need; whether the requestor cancelled."""
        originator = Originator(association.caller.calling_ae_title, request.command.message_id)
        for contexts, queue in batches(entities):
            losses = 0
            while queue:
                try:
                    outgoing = request_association(
                        peer,
                        contexts,
                        calling_ae_title=self._ae_title,
                        max_pdu=_MAX_PDU,
                        limits=association.limits,
                    )
                except PeerFailure as error:
                    _fail_all(queue, tally, str(error))
                    break
                completed = tally.completed
                scu = StoreSCU(outgoing, self._retrieve, self._decompressor, originator)
                try:
                    ending = run(scu, queue, tally, progress)
                except BaseException:
                    outgoing.abort()
                    raise
                if ending is Ending.LOST:
                    outgoing.abort()
                    losses = 1 if tally.completed > completed else losses + 1
                    if losses > MAX_LOSSES:
                        _fail_all(queue, tally, tally.detail)
                else:
                    outgoing.release()
                    if ending is Ending.CANCELLED:
                        return True
        return False


def batches(entities: Iterable[Entity]) -> Iterator[tuple[list[ProposedContext], deque[Entity]]]:
    """The contexts of each association that is needed, and the instances that go over it, in order."""
    by_class: dict[str, deque[Entity]] = {}
    order = list(entities)
    proposals = propose((_sop_class(entity), _syntax(entity)) for entity in order)
    if len(proposals) == 1:
        yield proposals[0], deque(order)
        return
    for entity in order:
        by_class.setdefault(_sop_class(entity), deque()).append(entity)
    for contexts in proposals:
        queue: deque[Entity] = deque()
        for sop_class_uid in dict.fromkeys(context.abstract_syntax for context in contexts):
            queue.extend(by_class[sop_class_uid])
        yield contexts, queue


def _sop_class(entity: Entity) -> str:
    return entity.header.text(tags.SOP_CLASS_UID)


def _syntax(entity: Entity) -> str:
    return entity.location.transfer_syntax_uid if entity.location else ""


def _fail_all(queue: deque[Entity], tally: Tally, detail: str) -> None:
    while queue:
        tally.fail(queue.popleft().identity.instance, detail)

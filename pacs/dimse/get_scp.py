"""C-GET SCP (PS3.4 section C.4.3, PS3.7 section 9.1.3): instances go over the requestor's own association."""

from __future__ import annotations

import time
from collections import deque

from pacs.archive.decompress import Decompressor
from pacs.archive.find import Find
from pacs.archive.observer import Observer
from pacs.archive.retrieve import Retrieve
from pacs.dimse.association import Association, Message
from pacs.dimse.failure import CANCEL, RETRIEVE, status_of
from pacs.dimse.message import CommandField
from pacs.dimse.selection import select
from pacs.dimse.store_scu import StoreSCU
from pacs.dimse.sub_operation import Ending, Progress, Tally, run
from pacs.errors import PacsError, PeerFailure


class GetSCP:
    """Sends what C-GET asks for, on the contexts for which the requestor took the SCP role."""

    def __init__(
        self, find: Find, retrieve: Retrieve, decompressor: Decompressor, observer: Observer
    ) -> None:
        self._find = find
        self._retrieve = retrieve
        self._decompressor = decompressor
        self._observer = observer

    def serve(self, association: Association, request: Message) -> None:
        """Find the instances, send them, report."""
        begun = time.monotonic()
        tally, progress = Tally(), Progress(association, request)
        uid = ""
        try:
            selection = select(self._find, association, request, CommandField.C_GET_RQ)
            uid = selection.uid
            tally.remaining = len(selection.entities)
            scu = StoreSCU(association, self._retrieve, self._decompressor)
            ending = run(scu, deque(selection.entities), tally, progress)
            if ending is Ending.LOST:
                raise PeerFailure(tally.detail)
            status, detail = CANCEL if ending is Ending.CANCELLED else tally.status, tally.detail
        except PeerFailure:
            raise
        except PacsError as error:
            association.skip_data_set()
            status, detail = status_of(error, RETRIEVE), str(error)
        progress.finish(status, tally, detail)
        seconds = time.monotonic() - begun
        self._observer.operation(tally.operation("C-GET", status, association.caller, seconds, uid, detail))

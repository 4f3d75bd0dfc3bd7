"""Delete: patients, studies, series and instances leave the archive.

Order: durable removal records, then the index, then the objects. After a crash the records are there and
the rest is done again, so that the index never tells of an object that is gone for good, and no object
stays that the index has dropped. Files indexed in place are forgotten, never deleted.
"""

from __future__ import annotations

import itertools

from pacs.archive.indexer import Indexer
from pacs.dicom.level import Level
from pacs.errors import NotFound
from pacs.index.protocol import Identity, Index
from pacs.storage.journal import Journal, Removal

BATCH_INSTANCES = 500


class Delete:
    """Deletes through the journal, in the process that holds the lease of the index."""

    def __init__(self, index: Index, journal: Journal, indexer: Indexer) -> None:
        self._index = index
        self._journal = journal
        self._indexer = indexer

    def delete(self, identity: Identity) -> int:
        """Remove everything at and below ``identity``; how many instances that were.

        On return they are neither found nor stored. Raises NotFound, OutOfResources, IndexUnavailable.
        """
        self._indexer.settle()
        if identity.level == Level.IMAGE:
            found = iter(self._index.get(Level.IMAGE, (identity.instance,)).values())
        else:
            found = self._index.children(Level.IMAGE, identity)
        removals = (
            Removal(entity.identity.instance, entity.location.uri)
            for entity in found
            if entity.location is not None
        )
        count = 0
        while batch := list(itertools.islice(removals, BATCH_INSTANCES)):
            for entry in self._journal.record(batch):
                self._indexer.submit((entry,), None)
            count += len(batch)
        if not count:
            raise NotFound("The archive holds nothing under these UIDs.")
        self._indexer.settle()
        return count

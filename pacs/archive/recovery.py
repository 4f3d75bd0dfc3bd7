"""Recovery: objects of small instances are made again of what the journal holds.

Such an object is in its place, but perhaps not durable, when its sender is told so. A crash of the host may
leave it missing, short or damaged; the record then has the bytes that were acknowledged.
"""

from __future__ import annotations

import contextlib
import logging

from pacs.archive.refusal import Reason, note_of
from pacs.archive.wholeness import check_whole
from pacs.dicom import tags
from pacs.dicom.file_meta import header_of_file
from pacs.errors import NotFound, OutOfResources, UnreadableDataSet
from pacs.storage import layout
from pacs.storage.journal import Addition, Entry
from pacs.storage.protocol import Storage
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)


class Recovery:
    """Puts objects of records right whose producers are gone."""

    def __init__(self, storage: Storage, quarantine: Quarantine) -> None:
        self._storage = storage
        self._quarantine = quarantine

    def recover(self, entry: Entry) -> None:
        """See that the object which ``entry`` carries is in its place. Raises OutOfResources."""
        record = entry.record
        if not entry.content or not isinstance(record, Addition):
            return
        with contextlib.suppress(NotFound):
            self._keep_other(record, entry.content)
        if self._storage.restore(record.uri, entry.content):
            logger.warning("Restored from the journal: %s", record.uri)

    def _keep_other(self, record: Addition, content: bytes) -> None:
        """Copy a whole object that is not ``content`` into quarantine. Raises NotFound, OutOfResources.

        It can only be there where a store of another data set was cut off by the crash before it was
        answered. Nobody can tell any more which of the two was answered: none must be lost.
        """
        with self._storage.open(record.uri) as file:
            try:
                if file.read(len(content) + 1) == content:
                    return
                size = file.seek(0, 2)
                file.seek(0)
                meta, header = header_of_file(file)
                if header.text(tags.SOP_INSTANCE_UID) != layout.uids_of(record.uri)[2]:
                    return
                check_whole(file, meta.length, size, meta.transfer_syntax_uid)
            except UnreadableDataSet:
                return
            except OSError as error:
                raise OutOfResources("A stored object cannot be read; see the log of the host.") from error
            file.seek(0)
            words = "Another data set was being stored under this SOP Instance UID during a crash."
            note = note_of(
                Reason.CONFLICT,
                words,
                size=size,
                sop_instance_uid=header.text(tags.SOP_INSTANCE_UID),
                transfer_syntax_uid=meta.transfer_syntax_uid,
                source=record.uri,
            )
            self._quarantine.add(file, note)

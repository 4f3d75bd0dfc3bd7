"""Intake: one batch of journal records becomes one change of the index. Used by one thread."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pacs.archive.refusal import Reason, note_of
from pacs.archive.retrieve import open_location
from pacs.archive.sameness import same_instance
from pacs.dicom.file_meta import header_of_file
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable, NotFound, PacsError, UnreadableDataSet
from pacs.index.hierarchy import StoredInstance, derive, forget
from pacs.index.packing import unpack
from pacs.index.protocol import Identity, Index
from pacs.storage import layout
from pacs.storage.journal import Addition, Entry, Removal
from pacs.storage.protocol import Storage
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)

MOST_FAULTS = 6
"""How often storage is asked for an object that it fails to give: for 12 seconds, with the pauses between."""

READERS = 8
"""Headers read from storage at once: enough to hide the round trips of a network file system."""


@dataclass(frozen=True, slots=True)
class Work:
    """Journal entries of one instance; ``stored`` where its header is in memory."""

    entries: tuple[Entry, ...]
    stored: StoredInstance | None


@dataclass(slots=True)
class Result:
    """What became of a batch, and the instances in it."""

    finished: list[Work] = field(default_factory=list)
    sop_instance_uids: list[str] = field(default_factory=list)


class Intake:
    """Takes batches into ``index``."""

    def __init__(self, index: Index, storage: Storage, quarantine: Quarantine) -> None:
        self._index = index
        self._storage = storage
        self._quarantine = quarantine
        self._readers: ThreadPoolExecutor | None = None
        self._faults: dict[str, int] = {}

    def take(self, batch: Sequence[Work]) -> Result:
        """Make ``batch`` part of the index. Raises IndexUnavailable, LeaseLost: nothing is finished then.

        A batch that was taken in part may be taken again.
        """
        result = Result()
        gathered: list[StoredInstance] = []
        for work, stored in zip(batch, self._read(batch), strict=True):
            removals = [entry.record for entry in work.entries if isinstance(entry.record, Removal)]
            if removals:
                # Records are in order: what came before a removal is indexed before it.
                self._add(gathered)
                gathered = []
                self._remove(removals)
            if isinstance(stored, StoredInstance):
                gathered.append(stored)
                result.sop_instance_uids.append(stored.sop_instance_uid)
            elif isinstance(stored, UnreadableDataSet):
                self._set_aside(_location(work), Reason.UNREADABLE, str(stored))
            result.finished.append(work)
        self._add(gathered)
        return result

    def close(self) -> None:
        """Let the readers go."""
        if self._readers is not None:
            self._readers.shutdown()
            self._readers = None

    def _read(self, batch: Sequence[Work]) -> list[StoredInstance | PacsError | None]:
        """For each of ``batch`` the instance, why it cannot be read, or None where there is none."""
        found = [self._told(work) for work in batch]
        unread = [
            position
            for position, (work, stored) in enumerate(zip(batch, found, strict=True))
            if stored is None and _has_addition(work)
        ]
        if unread:
            if self._readers is None:
                self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="header-reader")
            locations = [_location(batch[position]) for position in unread]
            for position, read in zip(unread, self._readers.map(self._read_one, locations), strict=True):
                found[position] = read
        return found

    def _told(self, work: Work) -> StoredInstance | PacsError | None:
        """The instance as its record tells it; None where its object must be read."""
        if work.stored is not None:
            return work.stored
        for entry in work.entries:
            record = entry.record
            if not isinstance(record, Addition) or not record.header:
                continue
            if entry.orphan and not layout.is_in_place(record.uri) and self._size(record.uri) != record.size:
                # Not what the record tells of: never published, or removed since.
                return None
            try:
                return StoredInstance(unpack(record.header), record.location)
            except IndexUnavailable:
                return None
        return None

    def _size(self, uri: str) -> int | None:
        try:
            return self._storage.size(uri)
        except NotFound:
            return None

    def _read_one(self, location: Location) -> StoredInstance | PacsError | None:
        try:
            with open_location(self._storage, location) as file:
                _, header = header_of_file(file)
        except UnreadableDataSet as error:
            return error
        except (NotFound, OSError) as error:
            # Storage says NotFound for both: an object that is gone, and one that it cannot read.
            fault = error.__cause__ if isinstance(error, NotFound) else error
            if not isinstance(fault, OSError):
                return NotFound(str(error))
            self._after_fault(location, fault)
            return None
        self._faults.pop(location.uri, None)
        return StoredInstance(header, location)

    def _after_fault(self, location: Location, fault: OSError) -> None:
        """Storage did not give an object that is there: have the batch tried again, but not for ever.

        Raises IndexUnavailable. Nothing is put aside for what may be a fault of the network's.
        """
        self._faults[location.uri] = faults = self._faults.get(location.uri, 0) + 1
        words = os.strerror(fault.errno or 0)
        if faults <= MOST_FAULTS:
            raise IndexUnavailable(f"Storage cannot be read: {words}. It is tried again.") from fault
        del self._faults[location.uri]
        logger.error(
            "%s is stored but not indexed: %s. Mend storage, then run `pacs verify --repair`.",
            location.uri,
            words,
        )

    def _add(self, instances: Sequence[StoredInstance]) -> None:
        if not instances:
            return
        self._drop_outdated(instances)
        derived = derive(instances, self._index)
        if derived.put or derived.drop:
            self._index.apply(derived)
        for instance in derived.unplaced:
            words = "The data set lacks a SOP Instance UID."
            self._set_aside(instance.location, Reason.UNREADABLE, words)
        for instance in derived.clashes:
            self._settle_clash(instance)

    def _drop_outdated(self, instances: Sequence[StoredInstance]) -> None:
        """Files indexed in place that were changed since are indexed anew."""
        in_place = {i.sop_instance_uid: i for i in instances if layout.is_in_place(i.location.uri)}
        if not in_place:
            return
        outdated = [
            entity.identity
            for uid, entity in self._index.get(Level.IMAGE, list(in_place)).items()
            if entity.location is not None
            and entity.location.uri == in_place[uid].location.uri
            and entity.location != in_place[uid].location
        ]
        if outdated:
            self._index.apply(forget(outdated, self._index))

    def _remove(self, removals: Sequence[Removal]) -> None:
        uids = [removal.sop_instance_uid for removal in removals]
        uris = {removal.sop_instance_uid: removal.uri for removal in removals}
        identities: list[Identity] = [
            entity.identity
            for uid, entity in self._index.get(Level.IMAGE, uids).items()
            if entity.location is not None and entity.location.uri == uris[uid]
        ]
        if identities:
            self._index.apply(forget(identities, self._index))
        for removal in removals:
            if not layout.is_in_place(removal.uri):
                self._storage.remove(removal.uri)

    def _settle_clash(self, instance: StoredInstance) -> None:
        """Two objects of one SOP Instance UID: the one indexed first is kept."""
        first = self._index.get(Level.IMAGE, (instance.sop_instance_uid,)).get(instance.sop_instance_uid)
        try:
            if first is not None and first.location is not None:
                with (
                    open_location(self._storage, first.location) as kept,
                    open_location(self._storage, instance.location) as later,
                ):
                    if same_instance(kept, later):
                        self._discard(instance.location)
                        return
        except (NotFound, OSError):
            logger.warning("One of two objects of SOP Instance %s is gone", instance.sop_instance_uid)
        self._set_aside(
            instance.location,
            Reason.CONFLICT,
            "Another data set is indexed under this SOP Instance UID; the first one is kept.",
            instance.sop_instance_uid,
        )

    def _set_aside(self, location: Location, reason: Reason, words: str, uid: str = "") -> None:
        """Move an object that cannot be indexed into quarantine; a file in place only gets mentioned."""
        if layout.is_in_place(location.uri):
            logger.warning("A file in place is not indexed: %s", words)
            return
        note = note_of(
            reason,
            words,
            size=location.size,
            sop_instance_uid=uid,
            transfer_syntax_uid=location.transfer_syntax_uid,
            source=location.uri,
        )
        try:
            with self._storage.open(location.uri) as file:
                self._quarantine.add(file, note)
        except NotFound:
            return
        self._storage.remove(location.uri)

    def _discard(self, location: Location) -> None:
        if not layout.is_in_place(location.uri):
            self._storage.remove(location.uri)


def _has_addition(work: Work) -> bool:
    return any(isinstance(entry.record, Addition) for entry in work.entries)


def _location(work: Work) -> Location:
    for entry in work.entries:
        if isinstance(entry.record, Addition):
            return entry.record.location
    raise ValueError("no addition")

"""Store: an instance comes in, and is acknowledged once it can no longer be lost (PS3.4 annex B).

What an association or an import hands in goes to a draft byte for byte, under File Meta Information of our
own. On ``commit`` the header is read once: it is checked, decides the place, and goes on to the indexer.
The journal learns of the instance before it is published, so that no crash leaves an object which nobody
knows of; success is returned after both are durable. The journal's record of a small object carries the
object itself: it is what is durable then, and ``recovery.py`` makes the object of it again after a crash.
"""

from __future__ import annotations

import itertools
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from pacs.archive.examine import PREFIX_BYTES, Examined, examine, header_of
from pacs.archive.in_flight import InFlight
from pacs.archive.indexer import Indexer
from pacs.archive.observer import Caller
from pacs.archive.refusal import Reason, note_of, reason_of
from pacs.archive.retrieve import open_location
from pacs.archive.sameness import same_instance
from pacs.dicom.file_meta import FileMeta, encode_file_meta, read_file_meta
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.dicom.uid import check_uid
from pacs.errors import IndexUnavailable, InvalidInput, NotFound, OutOfResources
from pacs.index.hierarchy import StoredInstance
from pacs.index.packing import pack
from pacs.index.protocol import Index
from pacs.storage.journal import Addition, Entry, Journal, Record, Removal, Ticket
from pacs.storage.protocol import Draft, Storage
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)

RECENT_INSTANCES = 20_000
"""Instances that a store without indexer remembers: as many as may await indexing, about."""
_LONGEST_PACKED_HEADER = 128 * 1024


class Outcome(StrEnum):
    """What became of an instance that was not refused."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    """The same instance again: success, no second copy."""
    CONFLICT = "conflict"
    """Another data set under a known SOP Instance UID: the first is kept, this one is in quarantine."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance that was not refused. ``size`` is that of the data set in bytes."""

    outcome: Outcome
    sop_instance_uid: str
    size: int
    detail: str = ""


class Store:
    """Takes instances in, from many threads.

    ``indexer`` belongs to the process that holds the lease. A store without it may read ``index``, which
    may be a little behind, and remembers what it stored itself. Without either (a bulk import's worker)
    duplicates are known by path only. Clashes that are not seen here are found when the journal is consumed.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        quarantine: Quarantine,
        index: Index | None = None,
        indexer: Indexer | None = None,
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._quarantine = quarantine
        self._index = index
        self._indexer = indexer
        self._in_flight = InFlight()
        self._met_a_taken_path = False
        self._recent: OrderedDict[str, Location] = OrderedDict()

    def begin(
        self, *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, caller: Caller
    ) -> Incoming:
        """Begin to take in the instance that was announced. Raises InvalidUID, OutOfResources."""
        meta = FileMeta(
            check_uid(sop_class_uid), check_uid(sop_instance_uid), check_uid(transfer_syntax_uid), 0
        )
        draft = self._storage.create(meta.transfer_syntax_uid)
        return Incoming(self, draft, meta, caller)

    def keep(self, incoming: Incoming, examined: Examined) -> Stored:
        """Publish what ``incoming`` wrote, or find that it is known. Raises OutOfResources."""
        with self._in_flight.hold(incoming.meta.sop_instance_uid):
            (answer,) = self._keep([(incoming, examined)])
        if isinstance(answer, OutOfResources):
            raise answer
        return answer

    def keep_all(self, batch: Sequence[tuple[Incoming, Examined]]) -> list[Stored | OutOfResources]:
        """``keep`` for many, which share the journal's and the folders' syncs.

        Instances of one SOP Instance UID must not be in one batch. What failed is told in its place.
        """
        uids = sorted(incoming.meta.sop_instance_uid for incoming, _ in batch)
        for uid in uids:  # in one order everywhere, so that two batches cannot wait for each other
            self._in_flight.acquire(uid)
        try:
            return self._keep(batch)
        finally:
            for uid in uids:
                self._in_flight.release(uid)

    def index_in_place(self, batch: Sequence[StoredInstance]) -> None:
        """Make durable that files outside the storage are to be indexed. Raises OutOfResources."""
        entries = self._journal.record([_addition(one.location, one.header) for one in batch])
        if self._indexer is not None:
            for entry, instance in zip(entries, batch, strict=True):
                self._indexer.submit((entry,), instance)

    def close(self) -> None:
        """End the journal of this process and give up its drafts."""
        self._journal.close()
        self._storage.close()

    def _keep(self, batch: Sequence[tuple[Incoming, Examined]]) -> list[Stored | OutOfResources]:
        known = self._known([incoming.meta.sop_instance_uid for incoming, _ in batch])
        answers: list[Stored | OutOfResources | None] = [None] * len(batch)
        fresh: list[tuple[int, list[Record], Location]] = []
        for position, (incoming, examined) in enumerate(batch):
            records: list[Record] = []
            there = known.get(incoming.meta.sop_instance_uid) or self._taken(examined.uri)
            if there is not None:
                try:
                    answers[position] = self._compare(incoming, there)
                    continue
                except NotFound:
                    # The object that the index tells of is lost; this one takes its place.
                    if there.uri != examined.uri:
                        records.append(Removal(incoming.meta.sop_instance_uid, there.uri))
                except OutOfResources as error:
                    answers[position] = error
                    continue
            location = incoming.location(examined.uri)
            fresh.append((position, [*records, _addition(location, examined.header)], location))
        if fresh:
            for (position, _, _), answer in zip(fresh, self._publish(batch, fresh), strict=True):
                answers[position] = answer
        return [answer for answer in answers if answer is not None]

    def _publish(
        self,
        batch: Sequence[tuple[Incoming, Examined]],
        fresh: Sequence[tuple[int, list[Record], Location]],
    ) -> list[Stored | OutOfResources]:
        drafts = [(batch[position][0].draft, location.uri) for position, _, location in fresh]
        records: list[Record] = []
        contents: list[bytes | bytearray | None] = []
        for (_, parts, _), (draft, _) in zip(fresh, drafts, strict=True):
            records += parts
            contents += [None] * (len(parts) - 1)
            contents.append(draft.lend())
        tickets: list[Ticket] = []

        def journal() -> None:
            tickets.append(self._journal.append(records, contents))
            self._journal.commit(tickets[0])

        try:
            published = self._storage.publish_all(drafts, journal)
        except OutOfResources as error:
            for ticket in tickets:
                self._journal.withdraw(ticket.entries)
            return [error] * len(fresh)
        recorded = iter(tickets[0].entries)
        shares = [tuple(itertools.islice(recorded, len(parts))) for _, parts, _ in fresh]
        self._journal.in_place(
            [
                entry
                for share, placed in zip(shares, published, strict=True)
                if isinstance(placed, Location)
                for entry in share
            ]
        )
        answers: list[Stored | OutOfResources] = []
        for (position, _, location), share, placed in zip(fresh, shares, published, strict=True):
            incoming, examined = batch[position]
            if isinstance(placed, Location):
                self._hand_on(share, StoredInstance(examined.header, location))
                answers.append(incoming.stored(Outcome.STORED))
                continue
            self._journal.withdraw(share)
            if isinstance(placed, OutOfResources):
                answers.append(placed)
                continue
            try:
                answers.append(self._meet(incoming, location.uri))
            except OutOfResources as error:
                answers.append(error)
        return answers

    def _hand_on(self, share: Sequence[Entry], instance: StoredInstance) -> None:
        """To the indexer; where that is another process, it reads the journal."""
        if self._indexer is not None:
            self._indexer.submit(share, instance)
        elif self._index is not None:
            self._recent[instance.sop_instance_uid] = instance.location
            if len(self._recent) > RECENT_INSTANCES:
                self._recent.popitem(last=False)

    def _meet(self, incoming: Incoming, uri: str) -> Stored:
        """``uri`` is taken by an object that the index does not know: see that it will.

        Without an index at hand its own record, which was durable before it was visible, has to do.
        """
        self._met_a_taken_path = True
        try:
            with self._storage.open(uri) as file:
                transfer_syntax_uid = read_file_meta(file).transfer_syntax_uid
                size = file.seek(0, 2)
            location = Location(uri, transfer_syntax_uid, size, 0)
            stored = self._compare(incoming, location)
        except (NotFound, InvalidInput) as error:
            raise OutOfResources("The stored object cannot be read; run `pacs verify`.") from error
        if self._index is not None:
            entries = self._journal.record([_addition(location)])
            if self._indexer is not None:
                self._indexer.submit(entries, None)
        return stored

    def _known(self, uids: Sequence[str]) -> dict[str, Location]:
        """Where the instances ``uids`` are, as far as this process can tell."""
        known: dict[str, Location] = {}
        if self._indexer is not None:
            for uid in uids:
                pending = self._indexer.pending(uid)
                if pending is not None:
                    known[uid] = pending
        if self._index is None:
            return known
        for uid in uids:
            recent = self._recent.get(uid)
            if recent is not None:
                known[uid] = recent
        if len(known) == len(uids):
            return known
        try:
            entities = self._index.get(Level.IMAGE, uids)
        except IndexUnavailable:
            # Storing goes on: a clash is found when the index is back and takes this instance in.
            return known
        for uid, entity in entities.items():
            if entity.location is not None:
                known.setdefault(uid, entity.location)
        return known

    def _taken(self, uri: str) -> Location | None:
        """What is at ``uri`` already, asked only where no index tells and the last instance was there too.

        It makes an import that is run again quick, and costs one that is not nothing.
        """
        if self._index is not None or not self._met_a_taken_path:
            return None
        size = self._storage.size(uri)
        self._met_a_taken_path = size is not None
        return Location(uri, "", size, 0) if size is not None else None

    def _compare(self, incoming: Incoming, known: Location) -> Stored:
        """Duplicate or conflict with the object at ``known``. Raises NotFound where that is gone."""
        with open_location(self._storage, known) as stored, incoming.draft.reopen() as draft:
            same = same_instance(stored, draft)
        if same:
            incoming.draft.discard()
            return incoming.stored(Outcome.DUPLICATE)
        words = "Another data set is stored under this SOP Instance UID; the first one is kept."
        try:
            incoming.quarantine(Reason.CONFLICT, words)
        finally:
            incoming.draft.discard()
        return incoming.stored(Outcome.CONFLICT, words)

    def quarantine(self, file: BinaryIO, reason: Reason, words: str, incoming: Incoming) -> None:
        """Keep what came in for people to look at. Raises OutOfResources."""
        meta = incoming.meta
        note = note_of(
            reason,
            words,
            size=incoming.size,
            sop_class_uid=meta.sop_class_uid,
            sop_instance_uid=meta.sop_instance_uid,
            transfer_syntax_uid=meta.transfer_syntax_uid,
            caller=incoming.caller,
        )
        self._quarantine.add(file, note)


class Incoming:
    """An instance on its way in; used by one thread."""

    def __init__(self, store: Store, draft: Draft, meta: FileMeta, caller: Caller) -> None:
        self.draft = draft
        self.meta = meta
        self.caller = caller
        self.size = 0
        self._store = store
        self._prefix = bytearray()
        preamble = encode_file_meta(meta, caller.calling_ae_title)
        self._meta_size = len(preamble)
        draft.write(preamble)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes of the data set as they came. Raises OutOfResources; nothing is left then."""
        missing = PREFIX_BYTES - len(self._prefix)
        if missing > 0:
            self._prefix += data if len(data) <= missing else memoryview(data)[:missing]
        self.size += len(data)
        self.draft.write(data)

    def commit(self) -> Stored:
        """The data set is complete: keep it. On return it is durable, and so is that it awaits indexing.

        Raises DataSetMismatch (A900) and UnreadableDataSet (C000), the object is then in quarantine, and
        OutOfResources (A700), nothing is left then.
        """
        try:
            return self._store.keep(self, self.examine())
        finally:
            self.draft.discard()

    def examine(self) -> Examined:
        """Read and check the header. Raises DataSetMismatch, UnreadableDataSet, after quarantine."""
        try:
            header = header_of(self._prefix, self.size, self.meta.transfer_syntax_uid, self._data_set)
            return examine(header, self.meta.sop_class_uid, self.meta.sop_instance_uid)
        except InvalidInput as error:
            try:
                self.quarantine(reason_of(error), str(error))
            except OutOfResources:
                # The sender is told that the instance was refused, and keeps it: nothing is lost.
                logger.warning("A refused instance does not fit into quarantine.")
            raise

    def abort(self) -> None:
        """The sender broke off: leave nothing."""
        self.draft.discard()

    def location(self, uri: str) -> Location:
        """Where the object will be once it is published under ``uri``."""
        return Location(uri, self.meta.transfer_syntax_uid, self._meta_size + self.size, 0)

    def stored(self, outcome: Outcome, detail: str = "") -> Stored:
        """The answer to ``commit``."""
        return Stored(outcome, self.meta.sop_instance_uid, self.size, detail)

    def quarantine(self, reason: Reason, words: str) -> None:
        """Copy what came in into quarantine. Raises OutOfResources."""
        with self.draft.reopen() as file:
            self._store.quarantine(file, reason, words, self)

    def _data_set(self) -> BinaryIO:
        file = self.draft.reopen()
        file.seek(self._meta_size)
        return file


def _addition(location: Location, header: Header | None = None) -> Addition:
    return Addition(
        location.uri, location.transfer_syntax_uid, location.size, location.mtime_ns, _packed(header)
    )


def _packed(header: Header | None) -> bytes:
    """``header`` for the journal; empty where it has to be read from the object again."""
    if header is None:
        return b""
    try:
        packed = pack(header)
    except (UnicodeEncodeError, ValueError):
        return b""
    return packed if len(packed) <= _LONGEST_PACKED_HEADER else b""


__all__: Sequence[str] = ("Incoming", "Outcome", "Store", "Stored")

"""The journal: durable records of what awaits indexing, written by many processes, consumed by one.

Each producer writes to segment files of its own in the journal's folder and holds a lock on them
(``presence.py``). The consumer (``journal_reader.py``) reads everybody's segments and unlinks a segment
once its producer has finished with it, or is gone, and all its records are in a committed index.

A segment is filled with zeros and synced before its first record, and the next one is prepared while there
is still room: a commit writes data only, no metadata of the file system. What a crash of process or host
guarantees:

- A record whose ``commit`` returned is read after the crash, whole, as often as it takes until the index
  that holds its instance was committed and its object is durable by itself. It may be read again although
  it was indexed: consumers must take a repeated record for what it is.
- A record may carry the whole object. Whoever finds it in the segment of a dead producer puts the object
  right where it is missing or damaged: the object itself need not be durable before the sender is told so.
- A record whose ``commit`` did not return may be read or not. A torn one is not read, and nothing after it
  in its segment was ever committed.
- A record of an instance is committed before the instance is visible (``archive/store.py``), and then says
  so (``State``). The consumer passes over a living producer's record until it does.

Records of one segment are in the order of their ``append``; those of several segments have no order.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock, Thread

from pacs.errors import OutOfResources
from pacs.storage.journal_record import MAGIC, STATE_OFFSET, Addition, Content, Record, Removal, State
from pacs.storage.journal_record import encode_record as encode_record
from pacs.storage.presence import open_locked, producer_name

logger = logging.getLogger(__name__)

SUFFIX = ".journal"
SEGMENT_BYTES = 4 << 20
_PREPARE_AT = 0.5
"""How full a segment is when the next one is prepared."""
UNCONSUMED_SEGMENTS = 40
"""Segments of one producer that wait for the consumer before the producer slows down."""
SLOW_SECONDS = 2.0
"""The longest pause, for each segment begun, of a producer whose consumer is far behind."""
_ZEROS = bytes(1 << 20)


@dataclass(eq=False, slots=True)
class Segment:
    """One segment file.

    ``taken`` of its records were handed out, ``forgotten`` are dealt with, ``announced`` are not in place
    yet. ``ended``: no record will be added any more. ``done`` are the offsets of records that were dealt
    with since that was last noted in the file.
    """

    path: Path
    taken: int = 0
    forgotten: int = 0
    announced: int = 0
    ended: bool = False
    descriptor: int = -1
    done: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and where it is.

    ``carries``: the object is in the record, and need not be durable by itself. ``orphan``: the record's
    producer is gone, or has finished with the segment, and whoever takes it sees to its object;
    ``content`` is that object where the record carries it.
    """

    record: Record
    segment: Segment
    offset: int = 0
    carries: bool = False
    orphan: bool = False
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What ``append`` returns: ``entries`` are durable once ``commit`` of the ticket returned."""

    entries: tuple[Entry, ...]
    sequence: int


class Journal:
    """The producer's side: one for each process, shared by its threads.

    Commits are grouped: the first thread that wants one syncs, in that thread, for all who had appended by
    then; who comes meanwhile waits for the next sync.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._producer = producer_name()
        self._numbers = itertools.count()
        self._work = Lock()  # guards appending and segments
        self._appended = 0
        self._segment: Segment | None = None
        self._size = 0
        self._own: list[Segment] = []  # all that are not unlinked, as far as we know
        self._next: Segment | None = None
        self._preparing: Thread | None = None
        self._turn = Condition()  # guards what is committed; told when that changes
        self._syncing = False
        self._committed = 0
        self._lost = 0  # records up to here, unless committed, may not be durable
        self._closed = False
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(error) from error

    @property
    def folder(self) -> Path:
        """Where the segments are."""
        return self._folder

    @property
    def producer(self) -> str:
        """The name that our segments begin with."""
        return self._producer

    def append(
        self,
        records: Sequence[Record],
        contents: Sequence[Content] = (),
        state: State = State.ANNOUNCED,
    ) -> Ticket:
        """Add records, in their order, not yet durable. Raises OutOfResources, nothing was added then.

        ``contents`` are the objects of the records that carry them. Announced records must be told to be
        ``in_place``, or ``withdraw``n: until then their segment does not end.
        """
        parts = list(itertools.zip_longest(records, contents))
        frames = [encode_record(record, content, state) for record, content in parts]
        with self._work:
            if self._closed:
                raise OutOfResources("The journal is closed, as the appliance stops; send again later.")
            entries: list[Entry] = []
            try:
                for (record, content), frame in zip(parts, frames, strict=True):
                    segment = self._segment
                    if segment is None or self._size + len(frame) > SEGMENT_BYTES:
                        segment = self._begin_segment()
                    _write(segment.descriptor, frame, self._size)
                    entries.append(Entry(record, segment, self._size, bool(content)))
                    self._size += len(frame)
                    segment.taken += 1
                    segment.announced += state is State.ANNOUNCED
            except OSError as error:
                _write_states(entries, State.WITHDRAWN)
                self._settle_announced(entries)
                self._forget(entries)
                raise _refused(error) from error
            self._appended += 1
            if self._size > SEGMENT_BYTES * _PREPARE_AT and self._next is None and self._preparing is None:
                self._preparing = Thread(target=self._prepare, name="journal", daemon=True)
                self._preparing.start()
            return Ticket(tuple(entries), self._appended)

    def commit(self, ticket: Ticket) -> None:
        """Return once the records of ``ticket`` are durable. Raises OutOfResources: they may not be."""
        wanted = ticket.sequence
        with self._turn:
            while True:
                if self._committed >= wanted:
                    return
                if self._lost >= wanted:
                    raise _refused(OSError(errno.EIO, ""))
                if not self._syncing:
                    self._syncing = True
                    break
                self._turn.wait()
        self._sync()
        if self._committed < wanted:
            raise _refused(OSError(errno.EIO, ""))

    def record(self, records: Sequence[Record]) -> tuple[Entry, ...]:
        """Append and commit what is in place. Raises OutOfResources: the records may be read, or not."""
        ticket = self.append(records, state=State.IN_PLACE)
        try:
            self.commit(ticket)
        except OutOfResources:
            self.forget(ticket.entries)
            raise
        return ticket.entries

    def in_place(self, entries: Sequence[Entry]) -> None:
        """The objects of announced ``entries`` are where they say: the consumer may take them."""
        _write_states(entries, State.IN_PLACE)
        with self._work:
            self._settle_announced(entries)

    def withdraw(self, entries: Sequence[Entry]) -> None:
        """Nothing comes of announced ``entries``."""
        _write_states(entries, State.WITHDRAWN)
        with self._work:
            self._settle_announced(entries)
            self._forget(entries)

    def forget(self, entries: Sequence[Entry]) -> None:
        """What ``entries`` tell is done, and its objects are durable: segments done with are unlinked."""
        with self._work:
            self._forget(entries)

    def seal(self, others: Sequence[Segment] = ()) -> None:
        """Note durably, in our segments and ``others``, what was forgotten: it is not read again, ever.

        Raises OSError.
        """
        with self._work:
            self._own = [segment for segment in self._own if not _is_over(segment)]
            segments = [*self._own, *others]
        for segment in segments:
            if segment.done and not _is_over(segment):
                _note_done(segment)

    def close(self) -> None:
        """End our segment. Records that nobody forgot stay for the consumer."""
        preparing = self._preparing
        if preparing is not None:
            preparing.join()
        with self._work:
            if not self._closed:
                self._closed = True
                self._end_segment()
                if self._next is not None:
                    self._next.path.unlink(missing_ok=True)
                    os.close(self._next.descriptor)
                    self._next = None

    def _sync(self) -> None:
        """As the leader: sync for all who appended by now."""
        with self._work:
            covered = self._appended
            # A copy, as the segment may end meanwhile. One that has ended was synced by that.
            descriptor = os.dup(self._segment.descriptor) if self._segment is not None else -1
        committed, lost = covered, 0
        try:
            if descriptor >= 0:
                os.fdatasync(descriptor)
        except OSError:
            committed, lost = 0, covered
            with self._work:
                # What became of those pages is unknown from here on: never append behind them.
                if self._segment is not None:
                    self._drop_segment(self._segment)
                    lost = self._appended
        finally:
            if descriptor >= 0:
                os.close(descriptor)
            with self._turn:
                self._syncing = False
                self._committed = max(self._committed, committed)
                self._lost = max(self._lost, lost)
                self._turn.notify_all()

    def _begin_segment(self) -> Segment:
        self._end_segment()
        self._slow_down()
        following, self._next = self._next, None
        segment = following or self._create()
        self._segment = segment
        self._own.append(segment)
        self._size = len(MAGIC)
        return segment

    def _create(self) -> Segment:
        """A segment of zeros, durable as an entry of its folder before any record in it is."""
        path = self._folder / f"{self._producer}-{next(self._numbers):08d}{SUFFIX}"
        descriptor = open_locked(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _write(descriptor, MAGIC, 0)
            size = len(MAGIC)
            while size < SEGMENT_BYTES:
                size += os.pwrite(descriptor, _ZEROS[: SEGMENT_BYTES - size], size)
            os.fsync(descriptor)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return Segment(path, descriptor=descriptor)

    def _prepare(self) -> None:
        try:
            segment = self._create()
        except OSError as error:
            # Whoever needs it tries again, and is told.
            logger.debug("No segment can be prepared: %s", error.strerror)
            self._preparing = None
            return
        with self._work:
            self._next = segment
            self._preparing = None

    def _slow_down(self) -> None:
        """Wait a while where the consumer is far behind."""
        if len(self._own) < UNCONSUMED_SEGMENTS:
            return
        until = time.monotonic() + SLOW_SECONDS
        while True:
            self._own = [segment for segment in self._own if segment.path.exists()]
            if len(self._own) < UNCONSUMED_SEGMENTS or time.monotonic() >= until:
                return
            time.sleep(0.02)

    def _end_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        try:
            os.fdatasync(segment.descriptor)
        except OSError:
            with self._turn:
                self._lost = self._appended
                self._turn.notify_all()
            raise
        finally:
            self._drop_segment(segment)

    def _drop_segment(self, segment: Segment) -> None:
        self._segment = None
        segment.ended = True
        self._let_go(segment)

    def _settle_announced(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            segment = entry.segment
            if segment.announced:
                segment.announced -= 1
            if segment.ended:
                self._let_go(segment)

    def _let_go(self, segment: Segment) -> None:
        """Give up the lock of an ended segment with nothing announced; the consumer may have done with it."""
        if segment.ended and not segment.announced:
            if segment.descriptor >= 0:
                os.close(segment.descriptor)
                segment.descriptor = -1
            if segment.forgotten == segment.taken:
                segment.path.unlink(missing_ok=True)

    def _forget(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            segment = entry.segment
            segment.forgotten += 1
            segment.done.append(entry.offset)
            if segment.ended and segment.forgotten == segment.taken:
                self._let_go(segment)


def _is_over(segment: Segment) -> bool:
    return segment.ended and segment.forgotten == segment.taken


def _write_states(entries: Sequence[Entry], state: State) -> None:
    """Without a lock: a segment in which something is announced stays open."""
    for entry in entries:
        if entry.segment.descriptor >= 0:
            os.pwrite(entry.segment.descriptor, bytes((state,)), entry.offset + STATE_OFFSET)


def _note_done(segment: Segment) -> None:
    try:
        descriptor = os.open(segment.path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        while segment.done:
            os.pwrite(descriptor, bytes((State.DONE,)), segment.done[-1] + STATE_OFFSET)
            segment.done.pop()
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    """Write ``data`` whole at ``offset``; a torn record hides what comes after it, and is written over."""
    done = 0
    while done < len(data):
        done += os.pwrite(descriptor, data[done:] if done else data, offset + done)


def _refused(error: OSError) -> OutOfResources:
    return OutOfResources(
        f"The journal cannot be written: {os.strerror(error.errno or 0)}."
        " Free space in the data folder, or make it writable, then send again."
    )


__all__ = (
    "SUFFIX",
    "Addition",
    "Entry",
    "Journal",
    "Record",
    "Removal",
    "Segment",
    "State",
    "Ticket",
    "encode_record",
)

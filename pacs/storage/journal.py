"""The journal: durable records of what awaits indexing, written by many processes, consumed by one.

Each producer appends to a segment file of its own in the journal's folder and holds a lock on it
(``presence.py``). The consumer (``journal_reader.py``) reads everybody's segments and unlinks a segment
once its producer has finished with it, or is gone, and all its records are in a committed index.

A record is framed by its length and a CRC-32, and holds JSON. What a crash of process or host guarantees:

- A record whose ``commit`` returned is read after the crash, whole, as often as it takes until the index
  that holds its instance was committed. It may be read again although it was indexed: consumers must take
  a repeated record for what it is.
- A record whose ``commit`` did not return may be read or not. A torn one is not read, and nothing after it
  in its segment was ever committed.
- A record of an instance is committed before the instance is published (``archive/store.py``). One whose
  object is missing was never acknowledged.

Records of one segment are in the order of their ``append``; those of several segments have no order.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from threading import Condition, Thread
from typing import TypeAlias
from zlib import crc32

import msgspec

from pacs.dicom.location import Location
from pacs.errors import OutOfResources
from pacs.storage.presence import open_locked, producer_name

SUFFIX = ".journal"
MAGIC = b"PACSJRN1"
SEGMENT_RECORDS = 2000
"""Records after which a segment ends: what a crash may make the consumer read again."""

_FRAME = Struct("<II")
_LONGEST_RECORD = 1 << 20


class Addition(msgspec.Struct, frozen=True, tag="add", array_like=True):
    """An instance is stored at, or lies at, ``uri`` and is to be indexed."""

    uri: str
    transfer_syntax_uid: str
    size: int
    mtime_ns: int

    @property
    def location(self) -> Location:
        """Where the instance is."""
        return Location(self.uri, self.transfer_syntax_uid, self.size, self.mtime_ns)


class Removal(msgspec.Struct, frozen=True, tag="remove", array_like=True):
    """An instance is to be taken out of the index, and its object at ``uri`` to be deleted."""

    sop_instance_uid: str
    uri: str


Record: TypeAlias = Addition | Removal

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def encode_record(record: Record) -> bytes:
    """``record`` in its frame."""
    payload = _encode(record)
    return _FRAME.pack(len(payload), crc32(payload)) + payload


def decode_records(data: bytes, start: int = 0) -> Iterator[tuple[Record, int]]:
    """The whole records of ``data`` from ``start`` on, each with where it ends; stops at a torn one."""
    position = start
    while position + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, position)
        end = position + _FRAME.size + length
        payload = data[position + _FRAME.size : end]
        if not 0 < length <= _LONGEST_RECORD or len(payload) < length or crc32(payload) != checksum:
            return
        try:
            record = _decode(payload)
        except msgspec.MsgspecError:
            return
        yield record, end
        position = end


@dataclass(eq=False, slots=True)
class Segment:
    """One segment file: how many of its records were handed out, and how many are dealt with.

    ``ended``: no record will be added any more.
    """

    path: Path
    taken: int = 0
    forgotten: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and the segment that holds it."""

    record: Record
    segment: Segment


@dataclass(frozen=True, slots=True)
class Ticket:
    """What ``append`` returns: ``entries`` are durable once ``commit`` of the ticket returned."""

    entries: tuple[Entry, ...]
    sequence: int


class Journal:
    """The producer's side: one for each process, shared by its threads.

    Commits are grouped: a thread of the journal's own syncs as soon as something was appended, for all who
    had appended by then. Who appends does other work, such as a sync of its own, before it commits.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._producer = producer_name()
        self._numbers = itertools.count()
        self._work = Condition()  # guards appending; told of what was appended
        self._appended = 0
        self._segment: Segment | None = None
        self._descriptor = -1
        self._size = 0
        self._turn = Condition()  # guards what is committed; told when that changes
        self._committed = 0
        self._lost = 0  # records up to here, unless committed, may not be durable
        self._committer: Thread | None = None
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

    def append(self, records: Sequence[Record]) -> Ticket:
        """Add records, in their order, not yet durable. Raises OutOfResources, nothing was added then."""
        data = b"".join(map(encode_record, records))
        with self._work:
            if self._closed:
                raise OutOfResources("The journal is closed, as the appliance stops; send again later.")
            try:
                segment = self._segment
                if segment is None or segment.taken >= SEGMENT_RECORDS:
                    segment = self._begin_segment()
                self._write(data)
            except OSError as error:
                raise _refused(error) from error
            segment.taken += len(records)
            self._appended += 1
            if self._committer is None:
                self._committer = Thread(target=self._sync_on, name="journal", daemon=True)
                self._committer.start()
            self._work.notify()
            return Ticket(tuple(Entry(record, segment) for record in records), self._appended)

    def commit(self, ticket: Ticket) -> None:
        """Return once the records of ``ticket`` are durable. Raises OutOfResources: they may not be."""
        with self._turn:
            while self._committed < ticket.sequence:
                if self._lost >= ticket.sequence:
                    raise _refused(OSError(errno.EIO, ""))
                self._turn.wait()

    def record(self, records: Sequence[Record]) -> tuple[Entry, ...]:
        """Append and commit. Raises OutOfResources: the records may be read after a crash, or not."""
        ticket = self.append(records)
        try:
            self.commit(ticket)
        except OutOfResources:
            self.forget(ticket.entries)
            raise
        return ticket.entries

    def forget(self, entries: Sequence[Entry]) -> None:
        """The index holds what ``entries`` tell, or nothing came of them: segments done with are unlinked."""
        with self._work:
            for entry in entries:
                segment = entry.segment
                segment.forgotten += 1
                if segment.ended and segment.forgotten == segment.taken:
                    segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """End our segment. Records that nobody forgot stay for the consumer."""
        with self._work:
            self._end_segment()
            self._closed = True
            self._work.notify()
        if self._committer is not None:
            self._committer.join()

    def _begin_segment(self) -> Segment:
        self._end_segment()
        path = self._folder / f"{self._producer}-{next(self._numbers):08d}{SUFFIX}"
        self._descriptor = open_locked(path, os.O_WRONLY | os.O_CLOEXEC)
        self._segment = Segment(path)
        self._size = 0
        self._write(MAGIC)
        # Durable as an entry of its folder before any record in it is.
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self._segment

    def _end_segment(self) -> None:
        segment = self._segment
        if segment is None:
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            with self._turn:
                self._lost = self._appended
                self._turn.notify_all()
            raise
        finally:
            self._drop_segment(segment)
        if segment.forgotten == segment.taken:
            segment.path.unlink(missing_ok=True)

    def _drop_segment(self, segment: Segment) -> None:
        os.close(self._descriptor)
        self._descriptor, self._segment = -1, None
        segment.ended = True

    def _write(self, data: bytes) -> None:
        """Append ``data`` whole, or nothing: a torn record would hide what comes after it."""
        done = 0
        try:
            while done < len(data):
                done += os.write(self._descriptor, data[done:] if done else data)
        except OSError:
            if done:
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(data)

    def _sync_on(self) -> None:
        """The committer: sync whenever something was appended, for all who appended by then."""
        while True:
            with self._work:
                while self._appended <= max(self._committed, self._lost):
                    if self._closed:
                        return
                    self._work.wait()
                covered = self._appended
                # A copy, as the segment may end meanwhile. One that has ended was synced by that.
                descriptor = os.dup(self._descriptor) if self._descriptor >= 0 else -1
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
                self._committed = max(self._committed, committed)
                self._lost = max(self._lost, lost)
                self._turn.notify_all()


def _refused(error: OSError) -> OutOfResources:
    return OutOfResources(
        f"The journal cannot be written: {os.strerror(error.errno or 0)}."
        " Free space in the data folder, or make it writable, then send again."
    )

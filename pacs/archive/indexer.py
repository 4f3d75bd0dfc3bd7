"""The indexer: takes what the journal says awaits indexing into the index, in batches.

It runs in the one process that holds the lease: its own instances come through memory with their headers
read, those of other processes and of a crash through the journal's folder, most of them with their headers.
Records are forgotten only after the index has committed and the objects that they carry were settled, so
whatever fails in between is done again. A record that was forgotten before an instance is removed is marked
as done, durably: it cannot bring the instance back.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Lock, Thread

from pacs.archive.intake import Intake, Work
from pacs.archive.recovery import Recovery
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable, LeaseLost, OutOfResources, PacsError
from pacs.index.hierarchy import StoredInstance
from pacs.index.protocol import Index
from pacs.storage.journal import Addition, Entry, Journal, Removal, Segment
from pacs.storage.journal_reader import JournalReader
from pacs.storage.protocol import Storage
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)

BATCH_INSTANCES = 500
QUEUE_INSTANCES = 2000
"""Headers in memory at most; ``submit`` waits for room."""
GATHER_SECONDS = 0.15
"""How long a batch may wait for more, unless somebody asks."""
POLL_SECONDS = 0.25
"""How often other processes' segments are looked for."""
SETTLE_SECONDS = 1.0
"""Objects that journal records carry are made durable by themselves no more often than this."""
RETRY_SECONDS = (0.2, 30.0)
"""First and longest pause before an index that failed is tried again."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the index is behind: instances that wait, and for how many seconds the oldest has."""

    instances: int
    seconds: float


class Indexer:
    """Keeps ``index`` up with ``journal``.

    ``on_failure`` is called once, from the indexer's thread, when it stops for good (LeaseLost).
    """

    def __init__(
        self,
        index: Index,
        journal: Journal,
        storage: Storage,
        quarantine: Quarantine,
        on_failure: Callable[[PacsError], None] = lambda error: None,
    ) -> None:
        self._reader = JournalReader(journal)
        self._intake = Intake(index, storage, quarantine)
        self._storage = storage
        self._recovery = Recovery(storage, quarantine)
        self._on_failure = on_failure
        self._changed = Condition()
        self._queue: deque[Work] = deque()
        self._pending: dict[str, Location] = {}
        self._submitted = 0
        self._done = 0
        self._urgent = 0
        self._oldest = 0.0
        self._polling = Lock()  # held from reading the journal until what was read is queued
        self._unrecovered: list[Entry] = []
        self._unsettled: dict[Segment, list[Entry]] = {}
        self._settled_at = 0.0
        self._failure: PacsError | None = None
        self._stopped = False
        self._closing = False
        self._thread: Thread | None = None

    @property
    def failure(self) -> PacsError | None:
        """Why nothing is indexed at the moment; None while all is well."""
        return self._failure

    def start(self) -> None:
        """Take up what earlier processes left, then work in a thread of its own."""
        self._poll()
        self._thread = Thread(target=self._run, name="indexer", daemon=True)
        self._thread.start()

    def submit(self, entries: Sequence[Entry], stored: StoredInstance | None) -> None:
        """``entries`` are durable, and their object too: index it. ``stored`` spares reading it again.

        Waits while too much is queued, unless the index is failing: then headers are not kept.
        """
        with self._changed:
            while len(self._queue) >= QUEUE_INSTANCES and self._thread and not self._failure:
                self._changed.wait()
            if stored is not None:
                self._pending[stored.sop_instance_uid] = stored.location
                if len(self._queue) >= QUEUE_INSTANCES:
                    stored = None
            self._enqueue(Work(tuple(entries), stored))
            if len(self._queue) in (1, BATCH_INSTANCES):
                self._changed.notify_all()

    def pending(self, sop_instance_uid: str) -> Location | None:
        """Where an instance is that is stored, but not in the index yet."""
        return self._pending.get(sop_instance_uid)

    def settle(self, timeout: float | None = None) -> None:
        """Return once all that was acknowledged before this call is searchable.

        ``timeout`` in seconds. Raises IndexUnavailable where that cannot be reached, LeaseLost.
        """
        if self._thread is None:
            self.drain()
            return
        try:
            self._poll_for_news()
        except OSError as error:
            raise IndexUnavailable(f"The journal cannot be read: {error.strerror}.") from error
        if self._done == self._submitted:
            return
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            target = self._submitted
            self._urgent = max(self._urgent, target)
            self._changed.notify_all()
            while self._done < target:
                if self._failure is not None:
                    raise self._refusal(self._failure)
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise IndexUnavailable("The index is too far behind to answer; try again later.")
                self._changed.wait(left)

    def drain(self) -> None:
        """Without ``start``: index all there is, and return. Raises IndexUnavailable, LeaseLost."""
        while True:
            polled = self._poll()
            if not self._queue and not polled:
                break
            while self._queue:
                self._step()
        self._settle_objects()

    def lag(self) -> Lag:
        """How far the index is behind."""
        with self._changed:
            waiting = self._submitted - self._done
            return Lag(waiting, time.monotonic() - self._oldest if waiting else 0.0)

    def close(self, timeout: float | None = None) -> None:
        """Index what is queued, for ``timeout`` seconds at most, and stop. What is left stays journaled."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is None:
            if not self._stopped:
                self.drain()
            self._settle_objects(all_of_them=True)
        else:
            self._thread.join(timeout)
            if not self._thread.is_alive():
                self._finish()
        self._intake.close()

    def _finish(self) -> None:
        """Once the thread has ended: see which producers have, and let go of their segments."""
        try:
            if self._failure is None:
                self.drain()
            self._settle_objects(all_of_them=True)
        except (PacsError, OSError) as error:
            logger.warning("What was stored last is indexed at the next start: %s", error)

    def _enqueue(self, work: Work) -> None:
        if self._submitted == self._done:
            self._oldest = time.monotonic()
        self._queue.append(work)
        self._submitted += 1

    def _poll(self) -> int:
        """Queue what other processes recorded."""
        with self._polling:
            return self._take_up()

    def _poll_for_news(self) -> None:
        with self._polling:
            if self._reader.has_news():
                self._take_up()

    def _take_up(self) -> int:
        entries = [*self._unrecovered, *self._reader.poll()]
        self._unrecovered = []
        usable = []
        for entry in entries:
            try:
                self._recovery.recover(entry)
            except OutOfResources as error:
                # The journal keeps it: nothing is lost, and it is tried again.
                if not self._unrecovered:
                    logger.error("An object cannot be restored from the journal: %s", error)
                self._unrecovered.append(entry)
            else:
                usable.append(entry)
        with self._changed:
            for entry in usable:
                self._enqueue(Work((entry,), None))
            if usable:
                self._changed.notify_all()
        return len(usable)

    def _run(self) -> None:
        pause, longest = RETRY_SECONDS
        polled = time.monotonic()
        while True:
            if time.monotonic() - polled >= POLL_SECONDS and len(self._queue) < BATCH_INSTANCES:
                polled = time.monotonic()
                try:
                    self._poll()
                except OSError as error:
                    logger.warning("The journal cannot be read: %s", error.strerror)
            self._settle_objects()
            if not self._wait():
                return
            if not self._queue:
                continue
            try:
                self._step()
            except LeaseLost as error:
                self._stop(error)
                return
            except PacsError as error:
                self._fail(error)
                with self._changed:
                    if self._closing:
                        return
                    self._changed.wait(pause)
                pause = min(pause * 2, longest)
            except Exception as error:
                logger.exception("The indexer failed")
                self._stop(IndexUnavailable(f"The indexer failed: {type(error).__name__}; see the log."))
                return
            else:
                pause = RETRY_SECONDS[0]
                self._recover()

    def _wait(self) -> bool:
        """Wait for a batch worth its commit; False where there is nothing more to do."""
        with self._changed:
            if not self._queue:
                if self._closing:
                    return False
                self._changed.wait(POLL_SECONDS)
                if not self._queue:
                    return True
            ready_at = self._oldest + GATHER_SECONDS
            while len(self._queue) < BATCH_INSTANCES and self._urgent <= self._done and not self._closing:
                left = ready_at - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            return True

    def _step(self) -> None:
        """Index one batch. Raises IndexUnavailable, LeaseLost; the batch is then still queued."""
        batch = self._next_batch()
        removes = _removes(batch[0])
        if removes:
            # From here on, what was stored before must never be taken up again.
            self._settle_objects(all_of_them=True)
            self._seal()
        result = self._intake.take(batch)
        for work in result.finished:
            for entry in work.entries:
                self._unsettled.setdefault(entry.segment, []).append(entry)
        if removes:
            self._settle_objects(all_of_them=True)
            self._seal()
        with self._changed:
            for work in batch:
                self._queue.popleft()
                if work.stored is not None:
                    self._pending.pop(work.stored.sop_instance_uid, None)
            for uid in result.sop_instance_uids:
                self._pending.pop(uid, None)
            self._done += len(batch)
            self._oldest = time.monotonic()
            self._changed.notify_all()

    def _next_batch(self) -> list[Work]:
        """The first of the queue, as many as are to be taken together: all remove something, or none."""
        first = _removes(self._queue[0])
        together = []
        for position in range(min(len(self._queue), BATCH_INSTANCES)):
            work = self._queue[position]
            if _removes(work) is not first:
                break
            together.append(work)
        return together

    def _settle_objects(self, *, all_of_them: bool = False) -> None:
        """Make durable what indexed records carry, and forget them: where that lets go of a segment."""
        if not self._unsettled:
            return
        now = time.monotonic()
        if not all_of_them and (now - self._settled_at < SETTLE_SECONDS or not self._is_ripe()):
            return
        self._settled_at = now
        entries = [entry for entries in self._unsettled.values() for entry in entries]
        uris = {entry.record.uri for entry in entries if entry.carries and isinstance(entry.record, Addition)}
        try:
            self._storage.settle(uris)
        except OSError as error:
            logger.error("Stored objects cannot be synced; the journal keeps them: %s", error.strerror)
            return
        self._unsettled = {}
        self._reader.forget(entries)

    def _is_ripe(self) -> bool:
        return any(
            segment.ended and segment.forgotten + len(entries) >= segment.taken
            for segment, entries in self._unsettled.items()
        )

    def _seal(self) -> None:
        try:
            self._reader.seal()
        except OSError as error:
            raise IndexUnavailable(f"The journal cannot be written: {error.strerror}.") from error

    def _fail(self, error: PacsError) -> None:
        if self._failure is None:
            logger.error("Instances are stored but cannot be indexed: %s", error)
        with self._changed:
            self._failure = error
            self._changed.notify_all()

    def _recover(self) -> None:
        if self._failure is not None:
            logger.warning("Indexing goes on")
            with self._changed:
                self._failure = None

    def _stop(self, error: PacsError) -> None:
        self._stopped = True
        self._fail(error)
        self._on_failure(error)

    def _refusal(self, error: PacsError) -> PacsError:
        if isinstance(error, IndexUnavailable | LeaseLost):
            return type(error)(str(error))
        return IndexUnavailable(f"The index is behind: {error}")


def _removes(work: Work) -> bool:
    return any(isinstance(entry.record, Removal) for entry in work.entries)

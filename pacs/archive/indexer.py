"""The indexer: takes what the journal says awaits indexing into the index, in batches.

It runs in the one process that holds the lease: its own instances come through memory with their headers
read, those of other processes and of a crash through the journal's folder, and are read from storage.
Records are forgotten only after the index has committed, so whatever fails in between is done again.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread

from pacs.archive.intake import Intake, Work
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable, LeaseLost, PacsError
from pacs.index.hierarchy import StoredInstance
from pacs.index.protocol import Index
from pacs.storage.journal import Entry, Journal
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
        self._on_failure = on_failure
        self._changed = Condition()
        self._queue: deque[Work] = deque()
        self._pending: dict[str, Location] = {}
        self._submitted = 0
        self._done = 0
        self._urgent = 0
        self._oldest = 0.0
        self._deferred: list[Work] = []
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
                return
            while self._queue:
                self._step()

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
        if self._thread is not None:
            self._thread.join(timeout)
        elif not self._stopped:
            self.drain()
        self._intake.close()

    def _enqueue(self, work: Work) -> None:
        if self._submitted == self._done:
            self._oldest = time.monotonic()
        self._queue.append(work)
        self._submitted += 1

    def _poll(self) -> int:
        """Queue what other processes recorded, and what was not published when we last looked."""
        entries = self._reader.poll()
        deferred, self._deferred = self._deferred, []
        with self._changed:
            for entry in entries:
                self._enqueue(Work((entry,), None))
            for work in deferred:
                self._enqueue(work)
        return len(entries)

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
        batch = [self._queue[position] for position in range(min(len(self._queue), BATCH_INSTANCES))]
        result = self._intake.take(batch)
        self._reader.forget([entry for work in result.finished for entry in work.entries])
        self._deferred += result.deferred
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

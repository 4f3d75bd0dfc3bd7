"""Reads the headers of many stored objects, by several processes or threads, in the order asked for."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.util import Finalize
from types import TracebackType

from pacs.archive.retrieve import open_location
from pacs.dicom.file_meta import header_of_file
from pacs.dicom.location import Location
from pacs.errors import InvalidInput, NotFound
from pacs.index.hierarchy import StoredInstance
from pacs.storage.protocol import Storage

BATCH = 100
BATCHES_AHEAD = 4
THREADS = 8
"""Threads hide the round trips of a network file system; processes use more than one core as well."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An object whose header cannot be read. ``missing``: there is no such object (any more)."""

    uri: str
    words: str
    missing: bool


Source = str | Location
"""What to read: a ``uri`` of the storage, or a location known before."""


class HeaderReaders:
    """A pool of readers; use it as a context.

    ``open_storage`` is called once in each process and must then be picklable; with ``processes`` 0 it is
    called here, and threads read.
    """

    def __init__(self, open_storage: Callable[[], Storage], processes: int) -> None:
        self._pool: Executor
        self._ahead = (processes or THREADS) * BATCHES_AHEAD
        self._here: Storage | None = None
        if processes:
            self._pool = ProcessPoolExecutor(
                processes,
                mp_context=multiprocessing.get_context("forkserver"),
                initializer=_start_worker,
                initargs=(open_storage,),
            )
        else:
            self._here = open_storage()
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="header-reader")

    def __enter__(self) -> HeaderReaders:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def read(self, sources: Iterable[Source]) -> Iterator[list[StoredInstance | Unread]]:
        """Batches of what is at ``sources``, in their order; some batches are read ahead."""
        waiting: deque[Future[list[StoredInstance | Unread]]] = deque()
        iterator = iter(sources)
        while batch := list(itertools.islice(iterator, BATCH)):
            waiting.append(
                self._pool.submit(_read_in_worker, batch)
                if self._here is None
                else self._pool.submit(read_headers, self._here, batch)
            )
            if len(waiting) >= self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def read_headers(storage: Storage, sources: Sequence[Source]) -> list[StoredInstance | Unread]:
    """The instances at ``sources``, or why they cannot be read."""
    return [_read(storage, source) for source in sources]


def _read(storage: Storage, source: Source) -> StoredInstance | Unread:
    where = source if isinstance(source, Location) else Location(source, "", 0, 0)
    try:
        with open_location(storage, where) as file:
            meta, header = header_of_file(file)
            size = file.seek(0, 2)
    except NotFound as error:
        return Unread(where.uri, str(error), True)
    except InvalidInput as error:
        return Unread(where.uri, str(error), False)
    except OSError as error:
        return Unread(where.uri, f"It cannot be read: {error.strerror}.", False)
    return StoredInstance(header, Location(where.uri, meta.transfer_syntax_uid, size, where.mtime_ns))


class _Worker:
    """The storage of a worker process, which a pool offers no other place to keep."""

    storage: Storage | None = None


def _start_worker(open_storage: Callable[[], Storage]) -> None:
    # An interrupt is for the process that leads.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.storage = open_storage()
    Finalize(None, _Worker.storage.close, exitpriority=10)


def _read_in_worker(sources: Sequence[Source]) -> list[StoredInstance | Unread]:
    if _Worker.storage is None:
        raise RuntimeError("The worker was not started.")
    return read_headers(_Worker.storage, sources)

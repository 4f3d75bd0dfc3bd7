"""Bulk import: folders of files into the archive, by several processes, with progress and a report.

Each worker reads, checks, copies and journals batches of files on its own; nothing but paths and answers
goes between processes. The import can be interrupted between batches and run again: what is there already
is found to be a duplicate. Links to folders are not followed; what a folder's own name or a file's name
begins a dot with is passed over.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread
from types import FrameType
from typing import Any, TextIO, TypeAlias

import msgspec

from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.refusal import reason_of
from pacs.archive.store import Outcome, Stored
from pacs.errors import PacsError

logger = logging.getLogger(__name__)

BATCH_FILES = 64
BATCHES_AHEAD = 3
"""Batches handed to each worker before its first is done."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is. ``total`` files are known once the folders have been counted."""

    files: int
    refused: int
    size: int
    seconds: float
    total: int | None

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.files / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None while the total is not known."""
        if self.total is None or not self.rate:
            return None
        return max(0, self.total - self.files) / self.rate


class Refused(msgspec.Struct, frozen=True):
    """A file that was not imported: a line of the report."""

    path: str
    reason: str
    words: str


@dataclass(slots=True)
class Report:
    """What an import did. ``size`` in bytes, of the data sets of all files but the refused ones."""

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    refused: int = 0
    size: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> int:
        """How many files were looked at."""
        return self.stored + self.duplicates + self.conflicts + self.refused


Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
Answer: TypeAlias = tuple[str, int, str, str]
"""Of one file: outcome or "refused", size, reason, words."""


class BulkImport:
    """Imports with ``workers`` processes, each with an importer of its own.

    ``open_importer`` is called once in each worker and must be picklable: a function of a module, or a
    ``functools.partial`` of one. With ``workers`` 0 everything is done in this process.
    """

    def __init__(self, open_importer: Callable[[], PartTenImport], workers: int) -> None:
        self._open_importer = open_importer
        self._workers = workers

    def run(
        self,
        paths: Sequence[Path],
        *,
        in_place: bool,
        progress: Callable[[Progress], None],
        refusals: TextIO | None = None,
    ) -> Report:
        """Import all files at and under ``paths``.

        ``refusals`` gets a line of JSON for each file that was refused or is in conflict. A first SIGINT
        ends the import after the batches at work, and is told in the report; a second one breaks it off.
        """
        began = time.monotonic()
        report = Report()
        count = _Count(paths)
        interrupted = Event()
        batches = itertools.takewhile(lambda _: not interrupted.is_set(), _batches(walk(paths)))
        before = _on_first_interrupt(interrupted.set)
        try:
            for files, answers in self._answers(batches, in_place):
                for path, answer in zip(files, answers, strict=True):
                    _enter(report, path, answer, refusals)
                report.seconds = time.monotonic() - began
                progress(Progress(report.files, report.refused, report.size, report.seconds, count.total))
        finally:
            count.stop()
            if before is not None:
                signal.signal(signal.SIGINT, before)
        report.interrupted = interrupted.is_set()
        report.seconds = time.monotonic() - began
        return report

    def _answers(
        self, batches: Iterator[list[Path]], in_place: bool
    ) -> Iterator[tuple[list[Path], list[Answer]]]:
        if self._workers == 0:
            yield from self._answers_here(batches, in_place)
            return
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(
            self._workers, mp_context=context, initializer=_start_worker, initargs=(self._open_importer,)
        ) as pool:
            at_work: dict[Future[list[Answer]], list[Path]] = {}
            while True:
                for files in itertools.islice(batches, self._workers * BATCHES_AHEAD - len(at_work)):
                    at_work[pool.submit(_import_batch, files, in_place)] = files
                if not at_work:
                    break
                done, _ = wait(at_work, return_when=FIRST_COMPLETED)
                for future in done:
                    yield at_work.pop(future), future.result()

    def _answers_here(
        self, batches: Iterator[list[Path]], in_place: bool
    ) -> Iterator[tuple[list[Path], list[Answer]]]:
        importer = self._open_importer()
        try:
            for files in batches:
                yield files, _answers_of(importer, files, in_place)
        finally:
            importer.close()


def walk(paths: Sequence[Path]) -> Iterator[Path]:
    """All files at and under ``paths``, each folder in order of names, one folder in memory at a time."""
    for path in paths:
        if path.is_file():
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield Path(folder, name)


class _Count:
    """Counts the files in a thread of its own, ahead of the import."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.total: int | None = None
        self._paths = paths
        self._stopped = Event()
        Thread(target=self._count, name="file-count", daemon=True).start()

    def stop(self) -> None:
        """Nobody needs the total any more."""
        self._stopped.set()

    def _count(self) -> None:
        total = 0
        for path in self._paths:
            if path.is_file():
                total += 1
                continue
            for _, folders, files in os.walk(path):
                if self._stopped.is_set():
                    return
                folders[:] = [name for name in folders if not name.startswith(".")]
                total += sum(not name.startswith(".") for name in files)
        self.total = total


def _on_first_interrupt(stop: Callable[[], None]) -> Handler | None:
    """Call ``stop`` at the first SIGINT; the handler to put back, None where this is not the main thread."""
    if current_thread() is not main_thread():
        return None
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        stop()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, interrupt)
    return before


def _batches(files: Iterator[Path]) -> Iterator[list[Path]]:
    while batch := list(itertools.islice(files, BATCH_FILES)):
        yield batch


def _enter(report: Report, path: Path, answer: Answer, refusals: TextIO | None) -> None:
    outcome, size, reason, words = answer
    report.size += size
    if outcome == Outcome.STORED:
        report.stored += 1
    elif outcome == Outcome.DUPLICATE:
        report.duplicates += 1
    elif outcome == Outcome.CONFLICT:
        report.conflicts += 1
    else:
        report.refused += 1
    if reason:
        report.reasons[reason] += 1
        if refusals is not None:
            refusals.write(msgspec.json.encode(Refused(str(path), reason, words)).decode() + "\n")


def _answers_of(importer: PartTenImport, files: Sequence[Path], in_place: bool) -> list[Answer]:
    return [_answer(result) for result in importer.import_files(files, in_place=in_place)]


def _answer(result: Stored | PacsError) -> Answer:
    if isinstance(result, PacsError):
        return "refused", 0, str(reason_of(result)), str(result)
    reason = str(result.outcome) if result.outcome is Outcome.CONFLICT else ""
    return str(result.outcome), result.size, reason, result.detail


class _Worker:
    """The importer of a worker process, which a pool offers no other place to keep."""

    importer: PartTenImport | None = None


def _start_worker(open_importer: Callable[[], PartTenImport]) -> None:
    # An interrupt is for the process that leads: a worker finishes its batch.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Worker.importer = open_importer()
    Finalize(None, _Worker.importer.close, exitpriority=10)


def _import_batch(files: list[Path], in_place: bool) -> list[Answer]:
    if _Worker.importer is None:
        raise RuntimeError("The worker was not started.")
    return _answers_of(_Worker.importer, files, in_place)

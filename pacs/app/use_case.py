"""What the commands beside ``serve`` do, from settings to results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from pacs.app.compose import Archive, open_importer, places, processes, reading, writing
from pacs.app.reindex import fill, fill_where_needed
from pacs.app.roots import Roots
from pacs.archive.find import Find
from pacs.archive.rebuild import RebuildProgress
from pacs.archive.search import Search
from pacs.archive.verify import Finding, VerifyProgress, repair, verify
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dimse import echo_scu
from pacs.dimse.negotiation import configure_libraries
from pacs.errors import LeaseHeld, NotFound, PacsError
from pacs.ingest.bulk import BulkImport, Progress, Report
from pacs.peers.peer import Peer
from pacs.query.text import parse_text
from pacs.settings import Settings
from pacs.storage.journal import SUFFIX
from pacs.storage.presence import is_alive

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 10.0  # for a server to index, before we look whether it is still there


def echo(settings: Settings, peer: Peer) -> float:
    """Ask whether ``peer`` answers; how many seconds that took. Raises PeerFailure."""
    configure_libraries()
    began = time.monotonic()
    echo_scu.echo(peer, settings.ae_title, settings.dimse_timeout)
    return time.monotonic() - began


@contextmanager
def found(settings: Settings, text: str, level: Level) -> Iterator[Iterator[Header]]:
    """The entities of ``level`` that match ``text``. Raises InvalidQuery, NotFound, IndexUnavailable.

    It reads beside whoever writes: what a running server acknowledged a moment ago may still be missing.
    """
    where = parse_text(text)
    _must_exist(settings)
    with reading(settings) as (_, index):
        find = Find(index, lambda: None, settings.ae_title)
        yield (entity.header for entity in Search(index, find).entities(level, where))


def rebuild_index(settings: Settings, progress: Callable[[RebuildProgress], None]) -> RebuildProgress:
    """Make the index anew from storage. Raises NotFound, LeaseHeld where a server runs, IndexUnavailable."""
    _must_exist(settings)
    with writing(settings, _told_elsewhere) as archive:
        done = fill(settings, archive, progress)
        archive.indexer.drain()
    return done


@contextmanager
def verified(
    settings: Settings, *, deep: bool, progress: Callable[[VerifyProgress], None]
) -> Iterator[Iterator[Finding]]:
    """What is wrong between index and storage. Raises NotFound, IndexUnavailable.

    Where no server runs, what awaits indexing is indexed first. Where one does, this reads beside it, and
    what comes in meanwhile can show up as a finding.
    """
    _must_exist(settings)
    try:
        with writing(settings, _told_elsewhere) as archive:
            _catch_up(settings, archive)
            yield verify(archive.index, archive.storage, deep=deep, progress=progress)
    except LeaseHeld:
        with reading(settings) as (storage, index):
            yield verify(index, storage, deep=deep, progress=progress)


def repair_archive(
    settings: Settings,
    *,
    deep: bool,
    progress: Callable[[VerifyProgress], None],
    tell: Callable[[Finding], None],
) -> int:
    """Put right what is wrong; how many findings that were. Raises LeaseHeld where a server runs."""
    _must_exist(settings)
    with writing(settings, _told_elsewhere) as archive:
        _catch_up(settings, archive)
        findings = list(verify(archive.index, archive.storage, deep=deep, progress=progress))
        for finding in findings:
            tell(finding)
        return repair(findings, archive.index, archive.storage, archive.journal, archive.indexer)


def import_paths(
    settings: Settings,
    paths: Sequence[Path],
    *,
    in_place: bool,
    progress: Callable[[Progress], None],
    refusals: TextIO,
    indexing: Callable[[], None],
) -> Report:
    """Take files in, and return once they are searchable. Raises OutOfResources, IndexUnavailable.

    Indexes in this process where no server runs, and otherwise waits for the server's indexer; ``indexing``
    is called when all that is left is to wait for the index.
    """
    bulk = BulkImport(partial(open_importer, settings), processes(settings))
    settings.data.mkdir(mode=0o750, parents=True, exist_ok=True)
    if in_place:
        Roots(places(settings).roots).add(paths)
    try:
        with writing(settings, _told_elsewhere) as archive:
            fill_where_needed(settings, archive)
            archive.indexer.start()
            report = bulk.run(paths, in_place=in_place, progress=progress, refusals=refusals)
            indexing()
            while not _settled(settings):
                if archive.indexer.failure is not None:
                    raise archive.indexer.failure
            return report
    except LeaseHeld:
        report = bulk.run(paths, in_place=in_place, progress=progress, refusals=refusals)
    indexing()
    while not _settled(settings):
        # The server is slow, or it is gone and left the rest to us.
        with suppress(LeaseHeld), writing(settings, _told_elsewhere) as archive:
            _catch_up(settings, archive)
    return report


def _settled(settings: Settings) -> bool:
    """Whether whoever holds the lease has indexed all that ended processes recorded; waits for it a while."""
    left = {path for path in places(settings).journal.glob(f"*{SUFFIX}") if not is_alive(path)}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        left = {path for path in left if path.exists()}
    return not left


def _catch_up(settings: Settings, archive: Archive) -> None:
    fill_where_needed(settings, archive)
    archive.indexer.drain()


def _must_exist(settings: Settings) -> None:
    if not settings.data.is_dir():
        raise NotFound(f"There is no archive in {settings.data}; --data names another folder")


def _told_elsewhere(error: PacsError) -> None:
    """The indexer stopped: who waits for it hears why."""

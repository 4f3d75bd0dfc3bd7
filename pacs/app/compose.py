"""Builds an archive from settings: as its one writer, or to read beside whoever writes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pacs.archive.indexer import Indexer
from pacs.archive.observer import Caller
from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.store import Store
from pacs.dimse.config import DimseConfig
from pacs.errors import LeaseHeld, PacsError
from pacs.index.lease import Lease
from pacs.index.tantivy import TantivyIndex
from pacs.index.whoosh import WhooshIndex
from pacs.peers.registry import PeerRegistry
from pacs.settings import Settings
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Journal
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)

Engine = TantivyIndex | WhooshIndex

SWITCH_SECONDS = 0.0005
"""How long a thread may hold the GIL while another wants it. Associations do little between system calls,
and at the default of 5 ms each return from one would wait that long for another's computing."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything lies: one folder, but for a storage that has its own."""

    storage: Path
    index: Path
    journal: Path
    quarantine: Path
    peers: Path
    roots: Path
    lease: Path


def places(settings: Settings) -> Places:
    """The places that ``settings`` name."""
    data = settings.data
    return Places(
        storage=settings.storage or data / "archive",
        index=data / "index" / settings.index,
        journal=data / "journal",
        quarantine=data / "quarantine",
        peers=data / "peers.json",
        roots=data / "in-place.jsonl",
        lease=data / "lease",
    )


def peers(settings: Settings) -> PeerRegistry:
    """The peer registry."""
    return PeerRegistry(places(settings).peers)


@dataclass(frozen=True, slots=True)
class Archive:
    """What the one writer of a data folder holds. ``indexer`` is not started."""

    storage: FilesystemStorage
    quarantine: Quarantine
    journal: Journal
    lease: Lease
    index: Engine
    indexer: Indexer


@contextmanager
def writing(settings: Settings, on_failure: Callable[[PacsError], None]) -> Iterator[Archive]:
    """The archive, to write. Raises LeaseHeld where another process does, OutOfResources, IndexUnavailable.

    ``on_failure`` is called, from another thread, when this process can no longer index.
    """
    place = places(settings)
    with ExitStack() as stack:
        settings.data.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            lease = stack.enter_context(Lease(place.lease))
        except LeaseHeld as error:
            raise LeaseHeld(f"The archive in {settings.data} is in use. {error}") from error
        storage = open_storage(settings)
        stack.callback(storage.close)
        quarantine = Quarantine(place.quarantine, settings.storage_reserve)
        journal = Journal(place.journal)
        stack.callback(journal.close)
        index = open_index(settings, writable=True, check_lease=lease.check)
        stack.callback(index.close)
        indexer = Indexer(index, journal, storage, quarantine, on_failure)
        stack.callback(indexer.close, settings.drain_limit)
        yield Archive(storage, quarantine, journal, lease, index, indexer)


@contextmanager
def reading(settings: Settings) -> Iterator[tuple[FilesystemStorage, Engine]]:
    """Storage and index, to read beside whoever writes. Raises IndexUnavailable where there is none."""
    with ExitStack() as stack:
        index = open_index(settings, writable=False, check_lease=lambda: None)
        stack.callback(index.close)
        storage = open_storage(settings)
        stack.callback(storage.close)
        yield storage, index


def open_index(
    settings: Settings, *, writable: bool, check_lease: Callable[[], None], stale_seconds: float = 0.0
) -> Engine:
    """The index of the engine that ``settings`` name; see its class. Raises IndexUnavailable."""
    engines: dict[str, type[TantivyIndex] | type[WhooshIndex]] = {
        "tantivy": TantivyIndex,
        "whoosh": WhooshIndex,
    }
    engine = engines[settings.index]
    return engine(
        places(settings).index, writable=writable, check_lease=check_lease, stale_seconds=stale_seconds
    )


def open_storage(settings: Settings) -> FilesystemStorage:
    """The storage. Raises OutOfResources."""
    return FilesystemStorage(places(settings).storage, settings.storage_reserve)


def dimse_config(settings: Settings) -> DimseConfig:
    """What a DIMSE server is told to be."""
    return DimseConfig(
        ae_title=settings.ae_title,
        bind=settings.bind,
        port=settings.dimse_port,
        max_associations=settings.max_associations,
        max_pdu=settings.max_pdu,
        artim_seconds=settings.artim_timeout,
        network_seconds=settings.network_timeout,
        dimse_seconds=settings.dimse_timeout,
        idle_seconds=settings.idle_timeout,
        require_called_ae_title=settings.require_called_ae_title,
    )


def tune_interpreter() -> None:
    """Set what Python lets a whole process choose."""
    sys.setswitchinterval(SWITCH_SECONDS)


def processes(settings: Settings) -> int:
    """How many processes may read files at one time."""
    return settings.import_processes or os.cpu_count() or 1


def open_importer(settings: Settings) -> PartTenImport:
    """An importer that stores and journals on its own, beside whoever indexes. Raises OutOfResources."""
    place = places(settings)
    storage = open_storage(settings)
    journal = Journal(place.journal)
    quarantine = Quarantine(place.quarantine, settings.storage_reserve)
    return PartTenImport(Store(storage, journal, quarantine), Caller(calling_ae_title=settings.ae_title))

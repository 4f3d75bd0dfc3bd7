"""Rebuild: the index anew, from storage and from what was indexed in place.

The index is cleared first; that it is incomplete must be marked by whoever opens it (the composition
root) until ``rebuild`` has returned. It may be interrupted and run again.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pacs.archive.header_reader import HeaderReaders
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.protocol import Index
from pacs.query.tree import Everything
from pacs.storage import layout
from pacs.storage.protocol import Storage

logger = logging.getLogger(__name__)

BATCH = 500


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """Instances indexed, objects that could not be (they are named in the log), seconds since the start."""

    indexed: int
    refused: int
    seconds: float


def locations_in_place(index: Index) -> list[Location]:
    """What the index, before it is cleared, knows of instances outside the storage; none if it is broken."""
    try:
        return [
            entity.location
            for entity in index.search(Level.IMAGE, Everything())
            if entity.location is not None and layout.is_in_place(entity.location.uri)
        ]
    except IndexUnavailable:
        return []


def rebuild(
    index: Index,
    storage: Storage,
    *,
    in_place: Iterable[Location] = (),
    readers: HeaderReaders,
    progress: Callable[[RebuildProgress], None] = lambda progress: None,
) -> RebuildProgress:
    """Clear ``index`` and fill it from ``storage`` and the files ``in_place``.

    ``readers`` read the headers. Raises IndexUnavailable, LeaseLost.
    """
    began = time.monotonic()
    index.clear()
    indexed = refused = 0
    gathered: list[StoredInstance] = []
    sources: Iterator[str | Location] = itertools.chain(storage.walk(), in_place)
    for answers in readers.read(sources):
        for answer in answers:
            if isinstance(answer, StoredInstance):
                gathered.append(answer)
            else:
                refused += 1
                logger.warning("Not indexed: %s (%s)", answer.uri, answer.words)
        if len(gathered) >= BATCH:
            indexed += _index(index, gathered)
            gathered = []
            progress(RebuildProgress(indexed, refused, time.monotonic() - began))
    indexed += _index(index, gathered)
    done = RebuildProgress(indexed, refused, time.monotonic() - began)
    progress(done)
    return done


def _index(index: Index, instances: list[StoredInstance]) -> int:
    if not instances:
        return 0
    derived = derive(instances, index)
    index.apply(derived)
    for instance in (*derived.clashes, *derived.unplaced):
        logger.warning("Not indexed: %s (it has no place, or its UID twice)", instance.location.uri)
    return len(instances) - len(derived.clashes) - len(derived.unplaced)

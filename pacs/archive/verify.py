"""Verify: storage and index held against each other, and put right on request.

Both are read as streams in batches: memory does not grow with the archive. An archive in use may be
verified; what is stored or deleted meanwhile can then show up as a finding that a second look does not have.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from pacs.archive.indexer import Indexer
from pacs.archive.retrieve import open_location
from pacs.dicom import tags
from pacs.dicom.file_meta import header_of_file, read_file_meta
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import InvalidInput, NotFound
from pacs.index.hierarchy import COMPUTED_TAGS, forget
from pacs.index.protocol import Entity, Index
from pacs.query.tree import Everything
from pacs.storage import layout
from pacs.storage.journal import Addition, Journal
from pacs.storage.protocol import Storage

BATCH = 500
READERS = 8

T = TypeVar("T")


class Problem(StrEnum):
    """What can be wrong between storage and index."""

    NOT_INDEXED = "not-indexed"
    """An object that the index does not know. Repair: it is indexed."""
    NO_OBJECT = "no-object"
    """An indexed instance whose object is gone, or has another size. Repair: the index forgets it."""
    UNREADABLE = "unreadable"
    """An object that cannot be read as DICOM (``deep`` only). Repair: none; restore it from elsewhere."""
    OUTDATED = "outdated"
    """The index holds other attributes than the object (``deep`` only). Repair: it is indexed anew."""
    WRONG_COUNT = "wrong-count"
    """A count of studies, series or instances that is not so. Repair: `pacs rebuild`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the instance concerned, or the entity, and the object's path."""

    problem: Problem
    uid: str
    uri: str
    words: str


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far ``verify`` is: objects of storage and entities of the index looked at."""

    objects: int
    entities: int
    total_entities: int


def verify(
    index: Index,
    storage: Storage,
    *,
    deep: bool,
    progress: Callable[[VerifyProgress], None] = lambda progress: None,
) -> Iterator[Finding]:
    """Everything that is wrong. ``deep`` reads every object's header. Raises IndexUnavailable."""
    total = index.count(Level.IMAGE)
    objects = 0
    for uris in _batches(storage.walk()):
        objects += len(uris)
        yield from _not_indexed(index, uris)
        progress(VerifyProgress(objects, 0, total))
    entities = 0
    with ThreadPoolExecutor(READERS, thread_name_prefix="verify") as pool:
        for batch in _batches(index.search(Level.IMAGE, Everything())):
            entities += len(batch)
            for finding in pool.map(lambda entity: _check(storage, entity, deep), batch):
                if finding is not None:
                    yield finding
            progress(VerifyProgress(objects, entities, total))
    yield from _wrong_counts(index)


def repair(
    findings: Iterable[Finding], index: Index, storage: Storage, journal: Journal, indexer: Indexer
) -> int:
    """Put right what can be, in the process that holds the lease; how many findings that were.

    On return what is to be indexed is. Raises OutOfResources, IndexUnavailable, LeaseLost.
    """
    repaired = 0
    for batch in _batches(findings):
        lost = [finding for finding in batch if finding.problem in (Problem.NO_OBJECT, Problem.OUTDATED)]
        entities = index.get(Level.IMAGE, [finding.uid for finding in lost])
        if entities:
            index.apply(forget([entity.identity for entity in entities.values()], index))
        again: list[Location] = []
        for finding in batch:
            if finding.problem == Problem.NOT_INDEXED:
                again += _location_now(storage, finding.uri)
            elif finding.problem in (Problem.OUTDATED, Problem.NO_OBJECT) and finding.uid in entities:
                # One whose size differs is forgotten as it was, and taken in as it is.
                again += _location_now(storage, finding.uri)
        records = [Addition(at.uri, at.transfer_syntax_uid, at.size, at.mtime_ns) for at in again]
        for entry in journal.record(records):
            indexer.submit((entry,), None)
        indexer.settle()
        repaired += sum(finding.problem not in (Problem.UNREADABLE, Problem.WRONG_COUNT) for finding in batch)
    return repaired


def _not_indexed(index: Index, uris: list[str]) -> Iterator[Finding]:
    uids = {uri: layout.uids_of(uri)[2] for uri in uris}
    known = index.get(Level.IMAGE, list(set(uids.values())))
    for uri, uid in uids.items():
        entity = known.get(uid)
        if entity is None:
            yield Finding(Problem.NOT_INDEXED, uid, uri, "A stored object is not in the index.")
        elif entity.location is None or entity.location.uri != uri:
            words = "A second object of an indexed SOP Instance UID is stored."
            yield Finding(Problem.NOT_INDEXED, uid, uri, words)


def _check(storage: Storage, entity: Entity, deep: bool) -> Finding | None:
    uid, location = entity.identity.instance, entity.location
    if location is None:
        return Finding(Problem.NO_OBJECT, uid, "", "The index does not say where the instance is.")
    if not deep and not layout.is_in_place(location.uri):
        size = storage.size(location.uri)
        if size == location.size:
            return None
        words = "The object is gone." if size is None else "The object has another size than when indexed."
        return Finding(Problem.NO_OBJECT, uid, location.uri, words)
    try:
        with open_location(storage, location) as file:
            if not deep:
                return None
            if file.seek(0, 2) != location.size:
                words = "The object has another size than when indexed."
                return Finding(Problem.NO_OBJECT, uid, location.uri, words)
            file.seek(0)
            _, header = header_of_file(file)
    except NotFound as error:
        return Finding(Problem.NO_OBJECT, uid, location.uri, str(error))
    except InvalidInput as error:
        return Finding(Problem.UNREADABLE, uid, location.uri, str(error))
    if header.text(tags.SOP_INSTANCE_UID) != uid:
        return Finding(Problem.UNREADABLE, uid, location.uri, "The object is not the instance indexed.")
    if _own(header) != _own(entity.header):
        words = "The index holds other attributes than the object."
        return Finding(Problem.OUTDATED, uid, location.uri, words)
    return None


def _own(header: Header) -> dict[int, object]:
    return {tag: value for tag, value in header.values.items() if tag not in COMPUTED_TAGS}


def _wrong_counts(index: Index) -> Iterator[Finding]:
    """Counts of the levels against each other; exact counting by entity would take all of them in memory."""
    images = index.count(Level.IMAGE)
    for level, tag in (
        (Level.SERIES, tags.NUMBER_OF_SERIES_RELATED_INSTANCES),
        (Level.STUDY, tags.NUMBER_OF_STUDY_RELATED_INSTANCES),
        (Level.PATIENT, tags.NUMBER_OF_PATIENT_RELATED_INSTANCES),
    ):
        counted = sum(int(entity.header.text(tag) or 0) for entity in index.search(level, Everything()))
        if counted != images:
            words = f"Entities of {level.name} level count {counted} instances; the index holds {images}."
            yield Finding(Problem.WRONG_COUNT, "", "", words)


def _location_now(storage: Storage, uri: str) -> list[Location]:
    """The object as it is now; none where it is gone or unreadable, or lies outside the storage."""
    if not uri or layout.is_in_place(uri):
        return []
    try:
        with storage.open(uri) as file:
            transfer_syntax_uid = read_file_meta(file).transfer_syntax_uid
            return [Location(uri, transfer_syntax_uid, file.seek(0, 2), 0)]
    except (NotFound, InvalidInput):
        return []


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH)):
        yield batch

"""The Index protocol, and the entities that an index holds.

An index holds one entity for each Patient, Study, Series and Instance, so that a query at one level
costs by the entities of that level. ``hierarchy.py`` derives entities from stored instances; engines
only keep and find them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.query.tree import Node


@dataclass(frozen=True, slots=True)
class Identity:
    """Where an entity stands: the keys of itself and of what is above it; empty below its level.

    ``patient`` is a patient key (see ``hierarchy.py``), the others are UIDs.
    """

    patient: str
    study: str = ""
    series: str = ""
    instance: str = ""

    @property
    def level(self) -> Level:
        """The level of the entity."""
        if self.instance:
            return Level.IMAGE
        if self.series:
            return Level.SERIES
        return Level.STUDY if self.study else Level.PATIENT

    @property
    def key(self) -> str:
        """What tells the entity from all others of its level.

        A SOP Instance UID, "study/series" UIDs (a Series UID is only trusted within its study),
        a Study Instance UID, or a patient key.
        """
        if self.instance:
            return self.instance
        if self.series:
            return f"{self.study}/{self.series}"
        return self.study or self.patient

    def key_at(self, level: Level) -> str:
        """The ``key`` of the entity of ``level``, at or above its own, that this one belongs to."""
        match level:
            case Level.PATIENT:
                return self.patient
            case Level.STUDY:
                return self.study
            case Level.SERIES:
                return f"{self.study}/{self.series}"
            case Level.IMAGE:
                return self.instance


@dataclass(frozen=True, slots=True)
class Entity:
    """A Patient, Study, Series or Instance as the index knows it.

    ``header`` holds the attributes of the entity's first instance, and the computed ones of its level
    (ModalitiesInStudy, NumberOfStudyRelatedInstances, ...) as ordinary attributes. ``location`` is set at
    IMAGE level only. ``tally`` counts what is below (empty at IMAGE level), so that an instance can be
    added without a look at its siblings; its names are those of ``hierarchy.py``. ``order`` tells when the
    entity's first instance was added: it rises within a patient, where no two instances share it.
    """

    identity: Identity
    header: Header
    location: Location | None = None
    tally: tuple[tuple[str, int], ...] = ()
    order: int = 0


@dataclass(frozen=True, slots=True)
class Changes:
    """What one batch does to an index: entities to put in place of those of the same key, keys to drop."""

    put: Sequence[Entity] = ()
    drop: Sequence[Identity] = ()


class Index(Protocol):
    """What every engine offers. Reads may come from many threads and go on during ``apply``."""

    def apply(self, changes: Changes) -> None:
        """Make all changes in one step; they are durable and visible to new reads on return.

        Raises LeaseLost where this process may no longer write, IndexUnavailable where it cannot.
        """

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        """The entities of ``level`` by ``Identity.key``; keys that the index does not hold are left out."""

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        """Candidates for ``where``: every entity that matches is among them, others may be.

        Entities come from one moment of the index, each once, in no promised order, and lazily.
        """

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        """The entities of ``level`` that stand below ``parent``, exactly these; otherwise as ``search``."""

    def count(self, level: Level) -> int:
        """How many entities of ``level`` there are."""

    def clear(self) -> None:
        """Drop everything (before a rebuild)."""

    def close(self) -> None:
        """Release files and locks; nothing works afterwards."""

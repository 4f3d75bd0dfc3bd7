"""MemoryIndex: the engine for tests, and the plainest reading of what the Index protocol promises."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable
from pacs.index.hierarchy import is_below
from pacs.index.protocol import Changes, Entity, Identity
from pacs.query.tree import Node


class MemoryIndex:
    """Entities in dictionaries; nothing outlives the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entities: dict[Level, dict[str, Entity]] = {level: {} for level in Level}
        self._closed = False

    def apply(self, changes: Changes) -> None:
        """Make all changes in one step."""
        with self._lock:
            self._check()
            # Readers keep the dictionaries they hold: a change makes new ones.
            entities = {level: dict(self._entities[level]) for level in Level}
            for identity in changes.drop:
                entities[identity.level].pop(identity.key, None)
            for entity in changes.put:
                entities[entity.identity.level][entity.identity.key] = entity
            self._entities = entities

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        """The entities of ``level`` by key."""
        self._check()
        held = self._entities[level]
        return {key: held[key] for key in keys if key in held}

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        """Candidates for ``where``: here, all entities of ``level``."""
        self._check()
        return iter(list(self._entities[level].values()))

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        """The entities of ``level`` below ``parent``."""
        self._check()
        entities = list(self._entities[level].values())
        return (entity for entity in entities if is_below(entity.identity, parent))

    def count(self, level: Level) -> int:
        """How many entities of ``level`` there are."""
        self._check()
        return len(self._entities[level])

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._check()
            self._entities = {level: {} for level in Level}

    def close(self) -> None:
        """Forget everything."""
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise IndexUnavailable("The index is closed. Open it again.")

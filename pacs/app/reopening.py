"""An index to read that need not be there yet, and may be begun anew while we look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable
from pacs.index.protocol import Changes, Entity, Identity, Index
from pacs.query.tree import Node


class ReopeningIndex:
    """Opens the index with ``open_index`` when it is first asked, and again after it failed.

    Every call raises IndexUnavailable where the index is not there or cannot be read.
    """

    def __init__(self, open_index: Callable[[], Index]) -> None:
        self._open_index = open_index
        self._lock = threading.Lock()
        self._index: Index | None = None

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        """The entities of ``level`` by key."""
        with self._opened() as index:
            return index.get(level, keys)

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        """Candidates for ``where``."""
        with self._opened() as index:
            yield from index.search(level, where)

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        """The entities of ``level`` below ``parent``."""
        with self._opened() as index:
            yield from index.children(level, parent)

    def count(self, level: Level) -> int:
        """How many entities of ``level`` there are."""
        with self._opened() as index:
            return index.count(level)

    def apply(self, changes: Changes) -> None:
        """Not for a reader."""
        raise IndexUnavailable("This process may only read the index; the server writes it.")

    def clear(self) -> None:
        """Not for a reader."""
        raise IndexUnavailable("This process may only read the index; the server writes it.")

    def close(self) -> None:
        """Release the files."""
        with self._lock:
            index, self._index = self._index, None
        if index is not None:
            index.close()

    @contextmanager
    def _opened(self) -> Iterator[Index]:
        with self._lock:
            index = self._index = self._index or self._open_index()
        try:
            yield index
        except IndexUnavailable:
            # Other threads may still read from it: it is let go, not closed.
            with self._lock:
                if self._index is index:
                    self._index = None
            raise

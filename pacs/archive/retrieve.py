"""Retrieve: the stored bytes of an instance."""

from __future__ import annotations

from typing import BinaryIO

from pacs.dicom.location import Location
from pacs.errors import NotFound
from pacs.index.protocol import Entity
from pacs.storage import layout
from pacs.storage.in_place import open_in_place
from pacs.storage.protocol import Storage


def open_location(storage: Storage, location: Location) -> BinaryIO:
    """The object at ``location``: a seekable, unbuffered Part 10 file with ``fileno()``. Raises NotFound."""
    if layout.is_in_place(location.uri):
        return open_in_place(location)
    return storage.open(location.uri)


class Retrieve:
    """Opens instances wherever they are."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def open(self, entity: Entity) -> BinaryIO:
        """The Part 10 file of an entity of IMAGE level, from its beginning. Raises NotFound."""
        if entity.location is None:
            raise NotFound("Only an instance has bytes to retrieve; ask at IMAGE level.")
        return open_location(self._storage, entity.location)

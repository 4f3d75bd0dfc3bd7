"""The engines behind the Index protocol, and what its tests put into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.location import Location
from pacs.errors import LeaseLost
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Entity, Index
from pacs.index.tantivy import TantivyIndex
from pacs.index.whoosh import WhooshIndex

NAME = (tags.PATIENT_NAME,)


class Persistent(Index, Protocol):
    """What the engines on disk offer besides."""

    @property
    def needs_rebuild(self) -> bool: ...

    def rebuilt(self) -> None: ...


Open = Callable[[Path, bool, Callable[[], None]], Persistent]
PERSISTENT: dict[str, Open] = {
    "tantivy": lambda path, writable, check: TantivyIndex(path, writable=writable, check_lease=check),
    "whoosh": lambda path, writable, check: WhooshIndex(path, writable=writable, check_lease=check),
}


def confirmed() -> None:
    """A lease that is never lost."""


def lost() -> None:
    raise LeaseLost("Another process writes.")


def open_engine(name: str, path: Path) -> Index:
    return MemoryIndex() if name == "memory" else PERSISTENT[name](path, True, confirmed)


def stored(
    number: int, *, series: int = 1, study: int = 1, patient: str = "P", name: str = "Doe"
) -> StoredInstance:
    header = Header(
        {
            tags.SOP_CLASS_UID: "1.2.840.10008.5.1.4.1.1.2",
            tags.SOP_INSTANCE_UID: f"9.{number}",
            tags.STUDY_DATE: f"202001{number % 28 + 1:02}",
            tags.MODALITY: "CT",
            tags.PATIENT_NAME: name,
            tags.PATIENT_ID: patient,
            tags.STUDY_INSTANCE_UID: f"1.{study}",
            tags.SERIES_INSTANCE_UID: f"1.{study}.{series}",
            tags.ROWS: "512",
            tags.REQUEST_ATTRIBUTES_SEQUENCE: (Header({tags.REQUESTED_PROCEDURE_ID: "R1"}, {}),),
            0x00091010: "private",
        },
        {0x00091010: "SH"},
    )
    return StoredInstance(header, Location(f"a/{number}.dcm", "1.2.840.10008.1.2.1", 1000 + number, number))


def add(index: Index, *instances: StoredInstance) -> None:
    index.apply(derive(instances, index))


def keys(entities: Iterator[Entity]) -> list[str]:
    return sorted(entity.identity.key for entity in entities)

"""An archive over a folder: what a process holds while it runs."""

from __future__ import annotations

from pathlib import Path

from pacs.archive.indexer import Indexer
from pacs.archive.observer import Caller
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Incoming, Store, Stored
from pacs.dicom.file_meta import read_file_meta
from pacs.dicom.level import Level
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Entity
from pacs.query.tree import Everything
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Journal
from pacs.storage.quarantine import Quarantine
from tests.encoded import CT_IMAGE_STORAGE, Instance

CALLER = Caller("MODALITY", "PACS", "127.0.0.1:4242")


class Site:
    """Opens everything under ``folder``; ``index`` outlives it where one is given."""

    def __init__(self, folder: Path, index: MemoryIndex | None = None, *, reserve: int = 0) -> None:
        self.folder = folder
        self.index = index or MemoryIndex()
        self.storage = FilesystemStorage(folder / "archive", reserve)
        self.journal = Journal(folder / "journal")
        self.quarantine = Quarantine(folder / "quarantine", 0)
        self.indexer = Indexer(self.index, self.journal, self.storage, self.quarantine)
        self.store = Store(self.storage, self.journal, self.quarantine, self.index, self.indexer)

    def close(self) -> None:
        self.indexer.close()
        self.store.close()

    def begin(self, instance: Instance) -> Incoming:
        return self.store.begin(
            sop_class_uid=CT_IMAGE_STORAGE,
            sop_instance_uid=instance.sop_instance_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            caller=CALLER,
        )

    def put(self, instance: Instance, part: int = 1 << 17) -> Stored:
        incoming = self.begin(instance)
        data = memoryview(instance.data_set)
        for start in range(0, len(data), part):
            incoming.write(data[start : start + part])
        return incoming.commit()

    def found(self) -> set[str]:
        """SOP Instance UIDs in the index, once it is settled."""
        self.indexer.settle()
        return {entity.identity.instance for entity in self.images()}

    def images(self) -> list[Entity]:
        """The instances in the index as it is."""
        return list(self.index.search(Level.IMAGE, Everything()))

    def data_set(self, sop_instance_uid: str) -> bytes:
        """The stored bytes of an indexed instance, without File Meta Information."""
        (entity,) = self.index.get(Level.IMAGE, (sop_instance_uid,)).values()
        with Retrieve(self.storage).open(entity) as file:
            read_file_meta(file)
            return file.read()

    def files(self) -> list[Path]:
        """Everything in the storage's folder but locks."""
        found = (self.folder / "archive").rglob("*")
        return [path for path in found if path.is_file() and path.suffix != ".lock"]

    def segments(self) -> list[Path]:
        """The journal's segments."""
        return list((self.folder / "journal").glob("*.journal"))

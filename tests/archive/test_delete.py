from __future__ import annotations

from pathlib import Path

import pytest

from pacs.archive.delete import Delete
from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.store import Outcome
from pacs.archive.verify import verify
from pacs.dicom.level import Level
from pacs.errors import NotFound
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Identity
from pacs.storage.journal import Removal
from tests.archive.site import CALLER, Site
from tests.encoded import Instance


def fill(site: Site) -> None:
    for number in range(12):
        site.put(Instance(f"1.2.1.{number % 2}.{number}", study="1.2.1", series=f"1.2.1.{number % 2}"))
    site.put(Instance("1.2.2.1.1", study="1.2.2", series="1.2.2.1"))
    assert len(site.found()) == 13


def identity(site: Site, level: Level, key: str) -> Identity:
    return site.index.get(level, (key,))[key].identity


@pytest.mark.parametrize(
    ("level", "key", "left"),
    [
        (Level.IMAGE, "1.2.1.0.0", 12),
        (Level.SERIES, "1.2.1/1.2.1.0", 7),
        (Level.STUDY, "1.2.1", 1),
    ],
)
def test_what_is_deleted_is_neither_found_nor_stored(site: Site, level: Level, key: str, left: int) -> None:
    fill(site)
    delete = Delete(site.index, site.journal, site.indexer)
    assert delete.delete(identity(site, level, key)) == 13 - left
    assert len(site.found()) == left
    assert len(site.files()) == left
    assert list(verify(site.index, site.storage, deep=True)) == []


def test_nothing_is_left_of_an_empty_archive(site: Site) -> None:
    fill(site)
    delete = Delete(site.index, site.journal, site.indexer)
    for study in ("1.2.1", "1.2.2"):
        delete.delete(identity(site, Level.STUDY, study))
    assert all(site.index.count(level) == 0 for level in Level)
    assert [path.name for path in (site.folder / "archive").iterdir()] == [".incoming"]


def test_what_is_not_there_cannot_be_deleted(site: Site) -> None:
    with pytest.raises(NotFound):
        Delete(site.index, site.journal, site.indexer).delete(Identity("", "1.2.3"))


def test_a_deleted_instance_can_be_stored_again(site: Site) -> None:
    fill(site)
    Delete(site.index, site.journal, site.indexer).delete(identity(site, Level.STUDY, "1.2.2"))
    assert site.put(Instance("1.2.2.1.1", study="1.2.2", series="1.2.2.1")).outcome is Outcome.STORED
    assert len(site.found()) == 13


def test_a_file_in_place_is_forgotten_but_not_deleted(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(Instance("1.9").part_ten)
    PartTenImport(site.store, CALLER).import_files([path], in_place=True)
    site.found()
    Delete(site.index, site.journal, site.indexer).delete(identity(site, Level.IMAGE, "1.9"))
    assert site.found() == set()
    assert path.exists()


def test_a_deletion_cut_off_by_a_crash_is_done_at_the_next_start(tmp_path: Path) -> None:
    index = MemoryIndex()
    crashed = Site(tmp_path, index)
    fill(crashed)
    (entity,) = index.get(Level.IMAGE, ("1.2.2.1.1",)).values()
    assert entity.location is not None
    crashed.journal.record([Removal("1.2.2.1.1", entity.location.uri)])
    crashed.journal.close()
    site = Site(tmp_path, index)
    assert len(site.found()) == 12
    assert len(site.files()) == 12
    assert site.segments() == []
    site.close()

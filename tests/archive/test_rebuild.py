from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from pacs.archive.header_reader import HeaderReaders
from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.rebuild import RebuildProgress, locations_in_place, rebuild
from pacs.archive.verify import verify
from pacs.dicom.level import Level
from pacs.index.memory import MemoryIndex
from pacs.query.tree import Everything
from pacs.storage.filesystem import FilesystemStorage
from tests.archive.site import CALLER, Site
from tests.encoded import Instance


def fill(site: Site, folder: Path) -> None:
    for number in range(30):
        study = f"1.2.{number % 3}"
        site.put(Instance(f"{study}.1.{number}", study=study, series=f"{study}.1"))
    (folder / "in-place.dcm").write_bytes(Instance("1.9").part_ten)
    PartTenImport(site.store, CALLER).import_files([folder / "in-place.dcm"], in_place=True)
    assert len(site.found()) == 31


@pytest.mark.parametrize("processes", [0, 2])
def test_a_rebuilt_index_is_like_the_one_before(site: Site, tmp_path: Path, processes: int) -> None:
    fill(site, tmp_path)
    index = MemoryIndex()
    told: list[RebuildProgress] = []
    open_storage = partial(FilesystemStorage, tmp_path / "archive", 0)
    with HeaderReaders(open_storage, processes) as readers:
        done = rebuild(
            index,
            site.storage,
            in_place=locations_in_place(site.index),
            readers=readers,
            progress=told.append,
        )
    assert (done.indexed, done.refused) == (31, 0)
    assert told[-1] == done
    for level in Level:
        before = {entity.identity.key: entity.location for entity in site.index.search(level, Everything())}
        after = {entity.identity.key: entity.location for entity in index.search(level, Everything())}
        assert after == before
    assert list(verify(index, site.storage, deep=True)) == []


def test_what_cannot_be_read_is_counted_and_the_rest_indexed(site: Site, tmp_path: Path) -> None:
    fill(site, tmp_path)
    site.files()[0].write_bytes(b"no DICOM")
    with HeaderReaders(lambda: site.storage, 0) as readers:
        done = rebuild(site.index, site.storage, readers=readers)
    assert (done.indexed, done.refused) == (29, 1)


def test_a_rebuild_can_be_run_again(site: Site, tmp_path: Path) -> None:
    fill(site, tmp_path)
    for _ in range(2):
        with HeaderReaders(lambda: site.storage, 0) as readers:
            assert rebuild(site.index, site.storage, readers=readers).indexed == 30
    assert site.index.count(Level.IMAGE) == 30

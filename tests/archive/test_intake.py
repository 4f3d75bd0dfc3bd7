from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

import pytest

from pacs.archive.intake import MOST_FAULTS, Intake, Work
from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable, NotFound
from pacs.index.memory import MemoryIndex
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Addition, Entry, Segment
from pacs.storage.layout import uri_of
from tests.archive.site import Site
from tests.encoded import Instance

ONE = Instance("1.2.1.1.1", "1.2.1")


class FaultyStorage(FilesystemStorage):
    """Fails to give objects as long as ``faulty`` is set."""

    faulty = True

    def open(self, uri: str) -> BinaryIO:
        if self.faulty:
            raise NotFound("It cannot be read.") from OSError(errno.EIO, "")
        return super().open(uri)


def record_of(site: Site) -> Work:
    """A record without the header: the object has to be read."""
    uri = uri_of(ONE.study, ONE.series, ONE.sop_instance_uid)
    addition = Addition(uri, ONE.transfer_syntax_uid, (site.folder / "archive" / uri).stat().st_size, 0)
    return Work((Entry(addition, Segment(Path("segment"))),), None)


def test_an_object_that_storage_fails_to_give_for_a_while_is_indexed_afterwards(
    site: Site, tmp_path: Path
) -> None:
    site.put(ONE)
    storage, index = FaultyStorage(tmp_path / "archive", 0), MemoryIndex()
    intake = Intake(index, storage, site.quarantine)
    for _ in range(2):
        with pytest.raises(IndexUnavailable, match="Storage cannot be read"):
            intake.take([record_of(site)])
    storage.faulty = False
    intake.take([record_of(site)])
    intake.close()
    assert index.count(Level.IMAGE) == 1


def test_an_object_that_storage_never_gives_holds_nothing_up_and_stays_where_it_is(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site.put(ONE)
    files = site.files()
    intake = Intake(MemoryIndex(), FaultyStorage(tmp_path / "archive", 0), site.quarantine)
    for _ in range(MOST_FAULTS):
        with pytest.raises(IndexUnavailable):
            intake.take([record_of(site)])
    assert len(intake.take([record_of(site)]).finished) == 1
    intake.close()
    assert "pacs verify --repair" in caplog.text
    assert site.files() == files
    assert site.quarantine.count() == 0

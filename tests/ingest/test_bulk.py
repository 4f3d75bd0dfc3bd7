from __future__ import annotations

import io
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from pacs.archive.observer import Caller
from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.store import Store
from pacs.ingest.bulk import BulkImport, Progress, Report, walk
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Journal
from pacs.storage.quarantine import Quarantine
from tests.archive.site import Site
from tests.encoded import Instance


def open_importer(folder: Path) -> PartTenImport:
    """What a worker opens; a function of a module, as it goes to other processes."""
    storage = FilesystemStorage(folder / "archive", 0)
    store = Store(storage, Journal(folder / "journal"), Quarantine(folder / "quarantine", 0))
    return PartTenImport(store, Caller("IMPORT"))


def write_files(folder: Path, count: int) -> list[Instance]:
    instances = []
    for number in range(count):
        one = Instance(
            f"1.2.{number % 7}.1.{number}", study=f"1.2.{number % 7}", series=f"1.2.{number % 7}.1"
        )
        path = folder / str(number % 3) / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(one.part_ten)
        instances.append(one)
    return instances


def bulk(
    folder: Path, source: Path, *, workers: int = 0, in_place: bool = False
) -> tuple[Report, list[Progress], list[dict[str, str]]]:
    told: list[Progress] = []
    refusals = io.StringIO()
    report = BulkImport(partial(open_importer, folder), workers).run(
        [source], in_place=in_place, progress=told.append, refusals=refusals
    )
    return report, told, [json.loads(line) for line in refusals.getvalue().splitlines()]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("in_place", [False, True])
def test_every_file_of_a_folder_is_found_afterwards(tmp_path: Path, workers: int, in_place: bool) -> None:
    instances = write_files(tmp_path / "source", 300)
    report, told, refused = bulk(tmp_path, tmp_path / "source", workers=workers, in_place=in_place)
    assert (report.stored, report.refused, report.interrupted) == (300, 0, False)
    assert report.size == sum(len(one.data_set) for one in instances)
    assert refused == []
    assert (told[-1].files, told[-1].total) == (300, 300)
    site = Site(tmp_path)
    assert site.found() == {one.sop_instance_uid for one in instances}
    assert site.data_set(instances[9].sop_instance_uid) == instances[9].data_set
    assert site.segments() == []
    site.close()


def test_a_second_run_finds_everything_there(tmp_path: Path) -> None:
    write_files(tmp_path / "source", 100)
    bulk(tmp_path, tmp_path / "source")
    report, _, _ = bulk(tmp_path, tmp_path / "source")
    assert (report.stored, report.duplicates) == (0, 100)
    site = Site(tmp_path)
    assert len(site.found()) == 100
    assert len(site.files()) == 100
    site.close()


def test_every_refused_file_is_named_with_its_reason(tmp_path: Path) -> None:
    write_files(tmp_path / "source", 10)
    (tmp_path / "source" / "notes.txt").write_text("no DICOM, but long enough to be looked at" * 9)
    (tmp_path / "source" / "cut.dcm").write_bytes(Instance("1.2.3").part_ten[:-1])
    report, _, refused = bulk(tmp_path, tmp_path / "source")
    assert (report.stored, report.refused) == (10, 2)
    assert {Path(one["path"]).name: one["reason"] for one in refused} == {
        "notes.txt": "unreadable",
        "cut.dcm": "unreadable",
    }
    assert all(one["words"] for one in refused)


def test_a_conflict_is_told_and_the_later_file_is_in_quarantine(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "1").write_bytes(Instance("1.2.3").part_ten)
    (source / "2").write_bytes(Instance("1.2.3", name="ROE^RICHARD").part_ten)
    report, _, told = bulk(tmp_path, source)
    assert (report.stored, report.conflicts) == (1, 1)
    assert [one["reason"] for one in told] == ["conflict"]
    assert Quarantine(tmp_path / "quarantine", 0).count() == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_ends_between_batches_and_the_rest_comes_with_the_next_run(
    tmp_path: Path, workers: int
) -> None:
    write_files(tmp_path / "source", 800)

    def interrupt(progress: Progress) -> None:
        if progress.files < 100:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    first = BulkImport(partial(open_importer, tmp_path), workers).run(
        [tmp_path / "source"], in_place=False, progress=interrupt
    )
    assert first.interrupted
    assert 0 < first.stored < 800
    assert signal.getsignal(signal.SIGINT) is before
    report, _, _ = bulk(tmp_path, tmp_path / "source")
    assert (report.stored, report.duplicates) == (800 - first.stored, first.stored)
    site = Site(tmp_path)
    assert len(site.found()) == 800
    site.close()


def test_hidden_files_and_linked_folders_are_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_files(source, 3)
    (source / ".hidden").write_bytes(b"x")
    (source / ".folder").mkdir()
    (source / ".folder" / "x").write_bytes(b"x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"x")
    os.symlink(tmp_path / "elsewhere", source / "link")
    assert [path.name for path in walk([source])] == ["0.dcm", "1.dcm", "2.dcm"]


def test_a_file_may_be_named_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"x")
    assert list(walk([path])) == [path]


def test_time_left_follows_from_the_rate() -> None:
    progress = Progress(files=50, refused=0, size=0, seconds=10.0, total=150)
    assert progress.rate == 5.0
    assert progress.seconds_left == 20.0
    assert Progress(files=50, refused=0, size=0, seconds=10.0, total=None).seconds_left is None

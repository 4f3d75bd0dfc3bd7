from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from pacs.archive.indexer import Indexer
from pacs.archive.store import Outcome, Store
from pacs.errors import IndexUnavailable, LeaseLost, PacsError
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Changes
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Addition, Journal
from pacs.storage.layout import uri_of
from pacs.storage.quarantine import Quarantine
from tests.archive.site import Site
from tests.encoded import Instance


def instance(number: int, study: str = "1.2.1") -> Instance:
    return Instance(f"1.2.1.1.{number}", study)


class FailingIndex(MemoryIndex):
    """Refuses changes as long as ``error`` is set."""

    error: PacsError | None = None

    def apply(self, changes: Changes) -> None:
        if self.error is not None:
            raise self.error
        super().apply(changes)


class Beside:
    """Another process that stores into the folder of a site: a bulk import's worker."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal")
        storage = FilesystemStorage(folder / "archive", 0)
        self.site = Site.__new__(Site)
        self.site.store = Store(storage, self.journal, Quarantine(folder / "quarantine", 0))

    def put(self, one: Instance) -> None:
        self.site.put(one)

    def end(self) -> None:
        self.site.store.close()


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[tuple[Site, FailingIndex]]:
    index = FailingIndex()
    site = Site(tmp_path, index)
    yield site, index
    index.error = None
    site.close()


def wait_until_empty(site: Site) -> None:
    deadline = time.monotonic() + 10
    while site.segments():
        assert time.monotonic() < deadline, "the journal was not consumed"
        time.sleep(0.02)


def wait_until_indexing(site: Site) -> None:
    deadline = time.monotonic() + 10
    while site.indexer.failure is not None:
        assert time.monotonic() < deadline, "the indexer did not take up its work again"
        time.sleep(0.02)


def test_what_was_acknowledged_before_settle_is_searchable_after_it(site: Site) -> None:
    site.indexer.start()
    for number in range(50):
        site.put(instance(number))
        site.indexer.settle()
        assert len(site.images()) == number + 1


def test_settle_costs_next_to_nothing_when_nothing_waits(site: Site) -> None:
    site.indexer.start()
    began = time.perf_counter()
    for _ in range(10_000):
        site.indexer.settle()
    assert time.perf_counter() - began < 0.5


def test_instances_become_searchable_without_anybody_asking(site: Site) -> None:
    site.indexer.start()
    site.put(instance(1))
    deadline = time.monotonic() + 5
    while not site.images():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_many_instances_are_committed_together(tmp_path: Path) -> None:
    batches = []

    class Counting(MemoryIndex):
        def apply(self, changes: Changes) -> None:
            batches.append(len(changes.put))
            super().apply(changes)

    site = Site(tmp_path, Counting())
    site.indexer.start()
    for number in range(100):
        site.put(instance(number))
    assert len(site.found()) == 100
    assert len(batches) < 20
    site.close()


def test_records_are_forgotten_once_the_index_has_them(site: Site) -> None:
    site.indexer.start()
    site.put(instance(1))
    site.indexer.settle()
    site.journal.close()
    wait_until_empty(site)


def test_what_a_crash_left_in_the_journal_is_searchable_after_the_first_settle(tmp_path: Path) -> None:
    crashed = Site(tmp_path)
    for number in range(30):
        crashed.put(instance(number))
    crashed.journal.close()  # its lock goes with the process
    site = Site(tmp_path)
    site.indexer.start()
    assert len(site.found()) == 30
    wait_until_empty(site)
    site.close()


def test_a_record_read_twice_changes_nothing(tmp_path: Path) -> None:
    index = MemoryIndex()
    crashed = Site(tmp_path, index)
    crashed.put(instance(1))
    assert crashed.found() == {"1.2.1.1.1"}
    # The index has it, but the crash comes before the record is forgotten.
    crashed.journal.record([Addition(uri_of("1.2.1", "1.2.1.1", "1.2.1.1.1"), "1.2.840.10008.1.2.1", 1, 0)])
    crashed.journal.close()
    site = Site(tmp_path, index)
    assert site.found() == {"1.2.1.1.1"}
    assert site.quarantine.count() == 0
    site.close()


def test_what_another_process_stores_is_indexed_while_it_runs(site: Site, tmp_path: Path) -> None:
    site.indexer.start()
    other = Beside(tmp_path)
    other.put(instance(1))
    deadline = time.monotonic() + 5
    while not site.images():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    other.put(instance(2))
    other.end()
    wait_until_empty(site)
    assert site.found() == {"1.2.1.1.1", "1.2.1.1.2"}


def test_a_record_whose_object_is_about_to_be_published_is_waited_for(site: Site, tmp_path: Path) -> None:
    site.indexer.start()
    other = Beside(tmp_path)
    one = instance(1)
    uri = uri_of(one.study, one.series, one.sop_instance_uid)
    ticket = other.journal.append([Addition(uri, one.transfer_syntax_uid, len(one.part_ten), 0)])
    other.journal.commit(ticket)
    time.sleep(0.6)
    path = tmp_path / "archive" / uri
    path.parent.mkdir(parents=True)
    path.write_bytes(one.part_ten)
    other.journal.in_place(ticket.entries)
    other.end()
    wait_until_empty(site)
    assert site.found() == {one.sop_instance_uid}


def test_a_record_whose_object_was_never_published_is_passed_over(tmp_path: Path) -> None:
    crashed = Journal(tmp_path / "journal")
    crashed.record([Addition(uri_of("1", "2", "3"), "1.2", 1, 0)])
    crashed.close()
    site = Site(tmp_path)
    site.indexer.start()
    wait_until_empty(site)
    assert site.found() == set()
    assert site.quarantine.count() == 0
    site.close()


def test_an_unreadable_object_goes_to_quarantine_and_the_rest_is_indexed(tmp_path: Path) -> None:
    crashed = Site(tmp_path)
    for number in range(3):
        # Too large for the journal to hold it.
        crashed.put(replace(instance(number), pixels=bytes(100_000)))
    crashed.journal.close()
    (path,) = [path for path in crashed.files() if path.name == "1.2.1.1.1.dcm"]
    path.write_bytes(b"not DICOM any more")
    site = Site(tmp_path)
    assert site.found() == {"1.2.1.1.0", "1.2.1.1.2"}
    assert [site.quarantine.note(one).reason for one in site.quarantine.identifiers()] == ["unreadable"]
    assert len(site.files()) == 2
    site.close()


def test_of_two_objects_of_one_uid_the_later_goes_to_quarantine(site: Site, tmp_path: Path) -> None:
    site.put(instance(1))
    site.found()
    other = Beside(tmp_path)
    other.put(instance(1, study="1.2.9"))
    other.end()
    assert site.found() == {"1.2.1.1.1"}
    site.indexer.drain()
    assert site.data_set("1.2.1.1.1") == instance(1).data_set
    assert len(site.files()) == 1
    assert [site.quarantine.note(one).reason for one in site.quarantine.identifiers()] == ["conflict"]


def test_while_the_index_fails_instances_are_taken_in_and_indexed_later(
    failing: tuple[Site, FailingIndex],
) -> None:
    site, index = failing
    site.indexer.start()
    index.error = IndexUnavailable("the disk is full")
    for number in range(5):
        assert site.put(instance(number)).outcome is Outcome.STORED
    with pytest.raises(IndexUnavailable):
        site.indexer.settle()
    assert site.put(instance(0)).outcome is Outcome.DUPLICATE
    assert site.indexer.lag().instances >= 5
    assert isinstance(site.indexer.failure, IndexUnavailable)
    index.error = None
    wait_until_indexing(site)
    assert len(site.found()) == 5
    assert site.indexer.lag().instances == 0


def test_a_failing_index_never_blocks_storing(
    failing: tuple[Site, FailingIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, index = failing
    monkeypatch.setattr("pacs.archive.indexer.QUEUE_INSTANCES", 5)
    site.indexer.start()
    index.error = IndexUnavailable("the disk is full")
    for number in range(20):
        site.put(instance(number))
    index.error = None
    time.sleep(0.5)
    wait_until_indexing(site)
    assert len(site.found()) == 20


def test_a_lost_lease_stops_the_indexer_and_is_reported_once(tmp_path: Path) -> None:
    index, told = FailingIndex(), []
    stopped = Event()

    def on_failure(error: PacsError) -> None:
        told.append(error)
        stopped.set()

    site = Site(tmp_path, index)
    site.indexer = Indexer(index, site.journal, site.storage, site.quarantine, on_failure)
    site.store = Store(site.storage, site.journal, site.quarantine, index, site.indexer)
    site.indexer.start()
    index.error = LeaseLost("another process writes")
    site.put(instance(1))
    assert stopped.wait(5)
    with pytest.raises(LeaseLost):
        site.indexer.settle()
    assert site.put(instance(2)).outcome is Outcome.STORED
    assert len(told) == 1
    site.close()
    # Nothing is lost: the next holder of the lease indexes it.
    later = Site(tmp_path)
    assert len(later.found()) == 2
    later.close()


def test_close_indexes_what_is_queued(tmp_path: Path) -> None:
    index = MemoryIndex()
    site = Site(tmp_path, index)
    site.indexer.start()
    for number in range(20):
        site.put(instance(number))
    site.close()
    assert len(site.images()) == 20
    assert site.segments() == []


def test_settle_gives_up_after_its_timeout(tmp_path: Path) -> None:
    release = Event()

    class Stuck(MemoryIndex):
        def apply(self, changes: Changes) -> None:
            release.wait(10)
            super().apply(changes)

    site = Site(tmp_path, Stuck())
    site.indexer.start()
    site.put(instance(1))
    with pytest.raises(IndexUnavailable, match="behind"):
        site.indexer.settle(0.1)
    release.set()
    site.close()

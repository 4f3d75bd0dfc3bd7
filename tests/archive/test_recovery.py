"""After a crash of the host: what it left of files is anything; what the journal holds is put right."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pacs.archive.delete import Delete
from pacs.archive.store import Outcome
from pacs.dicom.level import Level
from pacs.errors import OutOfResources
from pacs.index.memory import MemoryIndex
from pacs.storage.journal import Addition
from tests.archive.site import Site
from tests.encoded import Instance


def instance(number: int) -> Instance:
    return Instance(f"1.2.1.1.{number}", "1.2.1")


LARGE = replace(instance(99), pixels=bytes(200_000))


def crash(site: Site) -> None:
    """The process is gone: its locks go with it, nothing else happens."""
    site.journal.close()


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [remove, empty, cut, zeros])
def test_a_damaged_small_object_is_restored_before_anybody_can_ask_for_it(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    crashed = Site(tmp_path)
    for number in range(5):
        crashed.put(instance(number))
    crash(crashed)
    for path in crashed.files()[1:4]:
        damage(path)
    site = Site(tmp_path)
    site.indexer.start()
    assert len(site.files()) == 5
    assert site.found() == {instance(number).sop_instance_uid for number in range(5)}
    for number in range(5):
        assert site.data_set(instance(number).sop_instance_uid) == instance(number).data_set
    assert site.quarantine.count() == 0
    site.close()
    assert site.segments() == []


def test_lost_folders_are_made_again(tmp_path: Path) -> None:
    crashed = Site(tmp_path)
    crashed.put(instance(1))
    crash(crashed)
    shutil.rmtree(tmp_path / "archive")
    site = Site(tmp_path)
    assert site.found() == {instance(1).sop_instance_uid}
    assert site.data_set(instance(1).sop_instance_uid) == instance(1).data_set
    site.close()


def test_what_the_index_holds_already_is_restored_too_and_keeps_its_place(tmp_path: Path) -> None:
    index = MemoryIndex()
    crashed = Site(tmp_path, index)
    crashed.indexer.start()
    crashed.put(instance(1))
    assert crashed.found() == {instance(1).sop_instance_uid}
    crash(crashed)
    remove(crashed.files()[0])
    site = Site(tmp_path, index)
    assert site.found() == {instance(1).sop_instance_uid}
    assert site.data_set(instance(1).sop_instance_uid) == instance(1).data_set
    site.close()


def test_a_deleted_instance_does_not_come_back(tmp_path: Path) -> None:
    index = MemoryIndex()
    crashed = Site(tmp_path, index)
    crashed.put(instance(1))
    crashed.put(instance(2))
    crashed.found()
    (entity,) = index.get(Level.IMAGE, (instance(1).sop_instance_uid,)).values()
    Delete(index, crashed.journal, crashed.indexer).delete(entity.identity)
    segments = {path: path.read_bytes() for path in crashed.segments()}
    assert segments, "the segment is still written to"
    crash(crashed)
    for path, content in segments.items():  # as if the process had been killed before it ended them
        path.write_bytes(content)
    site = Site(tmp_path, index)
    assert site.found() == {instance(2).sop_instance_uid}
    assert [path.stem for path in site.files()] == [instance(2).sop_instance_uid]
    site.close()


def test_another_whole_object_in_the_place_is_kept_in_quarantine(tmp_path: Path) -> None:
    crashed = Site(tmp_path)
    crashed.put(instance(1))
    crash(crashed)
    (path,) = crashed.files()
    other = replace(instance(1), pixels=b"\5\0\6\0")
    path.write_bytes(other.part_ten)
    site = Site(tmp_path)
    site.found()
    assert site.data_set(instance(1).sop_instance_uid) == instance(1).data_set
    (identifier,) = site.quarantine.identifiers()
    with site.quarantine.open(identifier) as file:
        assert file.read() == other.part_ten
    site.close()


def test_a_large_object_that_was_never_published_is_passed_over(tmp_path: Path) -> None:
    crashed = Site(tmp_path)
    crashed.put(LARGE)
    crash(crashed)
    remove(crashed.files()[0])
    site = Site(tmp_path)
    assert site.found() == set()
    assert site.quarantine.count() == 0
    site.close()


def test_the_header_comes_from_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashed = Site(tmp_path)
    crashed.put(LARGE)
    crashed.put(instance(1))
    crash(crashed)
    site = Site(tmp_path)

    def unexpected(*_: object) -> None:
        raise AssertionError("an object was read")

    monkeypatch.setattr("pacs.archive.intake.header_of_file", unexpected)
    assert site.found() == {LARGE.sop_instance_uid, instance(1).sop_instance_uid}
    assert {image.header.text(0x00100010) for image in site.images()} == {LARGE.name}
    site.close()


def test_while_storage_is_full_the_journal_keeps_what_must_be_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashed = Site(tmp_path)
    crashed.put(instance(1))
    crash(crashed)
    remove(crashed.files()[0])
    site = Site(tmp_path)

    def full(*_: object) -> bool:
        raise OutOfResources("full")

    with monkeypatch.context() as patch:
        patch.setattr(site.storage, "restore", full)
        assert site.found() == set()
        assert len(site.segments()) == 1
    assert site.found() == {instance(1).sop_instance_uid}
    site.close()
    assert site.segments() == []


def test_records_are_kept_while_their_objects_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Site(tmp_path)
    first.put(instance(1))

    def failing(uris: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(first.storage, "settle", failing)
        first.close()
    assert len(first.segments()) == 1
    site = Site(tmp_path)
    assert site.found() == {instance(1).sop_instance_uid}
    site.close()
    assert site.segments() == []


def test_objects_are_synced_before_their_records_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)
    site.put(instance(1))
    site.put(LARGE)
    site.found()
    synced: list[set[str]] = []

    def settle(uris: set[str]) -> None:
        assert len(site.segments()) == 1
        synced.append(uris)

    monkeypatch.setattr(site.storage, "settle", settle)
    site.close()
    assert len(synced) == 1
    assert [uri.rpartition("/")[2] for uri in synced[0]] == ["1.2.1.1.1.dcm"], (
        "the large one was synced before"
    )
    assert site.segments() == []


def test_a_store_beside_an_indexer_remembers_what_it_stored_itself(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.store = type(site.store)(site.storage, site.journal, site.quarantine, MemoryIndex())
    site.put(instance(1))
    assert site.put(replace(instance(1), study="1.2.7", series="1.2.7.1")).outcome is Outcome.CONFLICT
    assert site.put(instance(1)).outcome is Outcome.DUPLICATE
    site.close()


def test_a_record_that_was_withdrawn_is_not_read(tmp_path: Path) -> None:
    site = Site(tmp_path)
    ticket = site.journal.append([Addition("6ce/1.2.1/1.2.1.1/1.2.1.1.1.dcm", "1.2", 4, 0)], [b"data"])
    site.journal.commit(ticket)
    site.journal.withdraw(ticket.entries)
    site.journal.close()
    later = Site(tmp_path)
    assert later.found() == set()
    assert later.files() == []
    later.close()

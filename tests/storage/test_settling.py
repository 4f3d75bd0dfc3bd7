from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.layout import uri_of
from pacs.storage.settling import SINGLY, Settling

URIS = [uri_of("1.2", "1.2.3", str(number)) for number in range(SINGLY + 3)]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths given to fsync."""
    paths: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    return paths


def make(root: Path) -> None:
    for uri in URIS:
        (root / uri).parent.mkdir(parents=True, exist_ok=True)
        (root / uri).write_bytes(b"x")


def expected(root: Path, uris: list[str]) -> set[str]:
    paths = {root / uri for uri in uris}
    return {str(root)} | {str(path) for file in paths for path in (file, *file.parents[:3])}


def test_few_files_are_synced_one_by_one_with_the_folders_up_to_the_root(
    tmp_path: Path, synced: list[str]
) -> None:
    make(tmp_path)
    Settling(tmp_path).settle(URIS[:2])
    assert set(synced) == expected(tmp_path, URIS[:2])


def test_many_files_are_synced_at_once(tmp_path: Path, synced: list[str]) -> None:
    make(tmp_path)
    Settling(tmp_path).settle(URIS)
    assert synced == []


def test_where_the_file_system_cannot_be_synced_at_once_its_files_are(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    make(tmp_path)
    settling = Settling(tmp_path)
    monkeypatch.setattr(settling, "_syncfs", failing)
    settling.settle(URIS)
    assert set(synced) == expected(tmp_path, URIS)


def test_files_that_are_gone_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / URIS[0]).unlink()
    Settling(tmp_path).settle([URIS[0], uri_of("9", "9", "9")])


@pytest.mark.parametrize("damage", [None, b"", b"conten", b"CONTENT", b"content and more"])
def test_an_object_is_restored_whatever_is_in_its_place(tmp_path: Path, damage: bytes | None) -> None:
    storage = FilesystemStorage(tmp_path, 0)
    path = tmp_path / URIS[0]
    if damage is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(damage)
    assert storage.restore(URIS[0], b"content")
    assert path.read_bytes() == b"content"
    assert not storage.restore(URIS[0], b"content")
    assert [entry.suffix for entry in (tmp_path / ".incoming").iterdir()] == [".lock"]
    storage.close()


def test_a_small_object_that_was_lent_is_published_without_a_sync(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unexpected(descriptor: int) -> None:
        raise AssertionError("synced")

    monkeypatch.setattr(os, "fdatasync", unexpected)
    storage = FilesystemStorage(tmp_path, 0)
    draft = storage.create("1.2")
    draft.write(b"content")
    assert bytes(draft.lend() or b"") == b"content"
    assert draft.publish(URIS[0]) is not None
    assert (tmp_path / URIS[0]).read_bytes() == b"content"
    assert synced == []
    storage.close()


def test_a_large_object_is_not_lent(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, 0)
    draft = storage.create("1.2")
    draft.write(bytes(100_000))
    assert draft.lend() is None
    draft.discard()
    storage.close()

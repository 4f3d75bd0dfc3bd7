"""What every storage promises (``pacs/storage/protocol.py``); a new one joins by a fixture parameter."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Barrier, Thread

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.dicom.location import Location
from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from pacs.errors import NotFound
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.layout import uri_of
from pacs.storage.protocol import Storage

URI = uri_of("1.2", "1.2.3", "1.2.3.4")

STORAGES: dict[str, Callable[[Path], Storage]] = {"filesystem": lambda path: FilesystemStorage(path, 0)}


@pytest.fixture(params=list(STORAGES))
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    opened = STORAGES[request.param](tmp_path / "storage")
    yield opened
    opened.close()


def put(storage: Storage, uri: str, *parts: bytes | bytearray | memoryview) -> Location | None:
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    for part in parts:
        draft.write(part)
    location = draft.publish(uri)
    draft.discard()
    return location


def read(storage: Storage, uri: str) -> bytes:
    with storage.open(uri) as file:
        return file.read()


def test_published_object_is_read_back(storage: Storage) -> None:
    location = put(storage, URI, b"abc", memoryview(b"def"), bytearray(b"g"))
    assert location is not None
    assert (location.uri, location.size) == (URI, 7)
    assert location.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN
    assert read(storage, URI) == b"abcdefg"
    assert storage.size(URI) == 7


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    sizes=st.lists(
        st.one_of(st.integers(0, 300), st.sampled_from([65535, 65536, 65537, 200_000])), max_size=12
    )
)
def test_bytes_are_kept_whatever_the_sizes_of_writes(storage: Storage, sizes: list[int]) -> None:
    parts = [bytes([position % 256]) * size for position, size in enumerate(sizes)]
    put(storage, URI, *parts)
    assert read(storage, URI) == b"".join(parts)
    storage.remove(URI)


def test_a_taken_uri_is_never_overwritten_and_the_draft_stays(storage: Storage) -> None:
    put(storage, URI, b"first")
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    draft.write(b"second")
    assert draft.publish(URI) is None
    with draft.reopen() as file:
        assert file.read() == b"second"
    draft.discard()
    assert read(storage, URI) == b"first"


def test_of_concurrent_publishers_of_one_uri_exactly_one_wins(storage: Storage) -> None:
    barrier = Barrier(8)
    won: list[bytes] = []

    def publish(number: int) -> None:
        data = str(number).encode() * 1000
        draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
        draft.write(data)
        barrier.wait()
        if draft.publish(URI) is not None:
            won.append(data)
        draft.discard()

    threads = [Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [read(storage, URI)]


def test_a_draft_is_not_seen_before_it_is_published(storage: Storage) -> None:
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    draft.write(b"x" * 100_000)
    draft.sync()
    assert list(storage.walk()) == []
    with pytest.raises(NotFound):
        storage.open(URI)
    draft.discard()


def test_a_discarded_draft_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    draft.write(b"x")
    draft.discard()
    draft.discard()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_many_are_published_at_once_and_each_has_its_answer(storage: Storage) -> None:
    taken = uri_of("1.2", "1.2.3", "7")
    put(storage, taken, b"there")
    drafts = []
    seen: list[int] = []
    for number in range(5, 10):
        draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
        draft.write(b"new")
        drafts.append((draft, uri_of("1.2", "1.2.3", str(number))))
    answers = storage.publish_all(drafts, lambda: seen.append(len(list(storage.walk()))))
    for draft, _ in drafts:
        draft.discard()
    assert [isinstance(answer, Location) for answer in answers] == [True, True, False, True, True]
    assert answers[2] is None
    assert seen == [1], "nothing new is visible before all drafts are durable"
    assert read(storage, taken) == b"there"
    assert len(list(storage.walk())) == 5


def test_walk_tells_every_object_once(storage: Storage) -> None:
    uris = {
        uri_of(f"1.{s}", f"1.{s}.{e}", f"1.{s}.{e}.{i}") for s in range(5) for e in range(2) for i in range(3)
    }
    for uri in uris:
        put(storage, uri, b"x")
    walked = list(storage.walk())
    assert set(walked) == uris
    assert len(walked) == len(uris)


def test_a_removed_object_is_gone_and_its_place_is_free_again(storage: Storage) -> None:
    put(storage, URI, b"x")
    storage.remove(URI)
    storage.remove(URI)
    assert storage.size(URI) is None
    assert list(storage.walk()) == []
    with pytest.raises(NotFound):
        storage.open(URI)
    assert put(storage, URI, b"y") is not None
    assert read(storage, URI) == b"y"


@pytest.mark.parametrize("uri", ["/etc/passwd", "../x", "a", ""])
def test_no_path_leads_out_of_the_storage(storage: Storage, uri: str) -> None:
    for call in (storage.open, storage.remove, storage.size):
        with pytest.raises(NotFound):
            call(uri)
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(NotFound):
        draft.publish(uri)
    draft.discard()


def test_free_space_is_told(storage: Storage, tmp_path: Path) -> None:
    free = storage.free()
    assert free is None or 0 <= free <= shutil.disk_usage(tmp_path).total

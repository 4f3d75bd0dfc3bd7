from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from pacs.errors import OutOfResources
from pacs.storage.filesystem import FileDraft, FilesystemStorage
from pacs.storage.layout import uri_of

URI = uri_of("1.2", "1.2.3", "1.2.3.4")
HUGE = 1 << 62


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def put(storage: FilesystemStorage, uri: str, data: bytes) -> None:
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    draft.write(data)
    assert draft.publish(uri) is not None


def write_often(draft: FileDraft, data: bytes, times: int) -> None:
    for _ in range(times):
        draft.write(data)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root may mount a file system that is small enough to fill")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"tmpfs cannot be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_under_the_reserve_nothing_can_be_begun(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, HUGE)
    with pytest.raises(OutOfResources, match="reserve"):
        storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    assert storage.free() == 0
    assert files(tmp_path) == []


def test_a_write_that_would_break_into_the_reserve_is_refused(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, shutil.disk_usage(tmp_path).free - (64 << 20))
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(OutOfResources):
        write_often(draft, bytes(16 << 20), 100)
    assert files(tmp_path) == []


@pytest.mark.parametrize("part", [1000, 100_000])
def test_on_a_full_file_system_no_draft_is_left(small: Path, part: int) -> None:
    storage = FilesystemStorage(small, 0)
    put(storage, URI, b"kept")
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    with pytest.raises(OutOfResources, match="space"):
        write_often(draft, bytes(part), 8_000_000 // part)
    draft.discard()
    assert [path.read_bytes() for path in files(small)] == [b"kept"]
    put(storage, uri_of("1.2", "1.2.3", "5"), bytes(1000))


def test_where_a_folder_cannot_be_made_nothing_is_left(small: Path) -> None:
    storage = FilesystemStorage(small, 0)
    draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
    draft.write(b"x")
    draft.sync()
    # Inodes run out before bytes do.
    subprocess.run(["mount", "-o", "remount,nr_inodes=5", small], check=True)
    with pytest.raises(OutOfResources):
        draft.publish(URI)
    assert files(small) == []
    assert [path.name for path in small.iterdir()] == [".incoming"]


def test_a_folder_that_cannot_be_written_is_told_in_words(small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(OutOfResources, match="Read-only"):
        FilesystemStorage(small, 0)


def test_drafts_of_a_killed_process_are_removed_at_the_next_start(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from pacs.storage.filesystem import FilesystemStorage;"
        "s = FilesystemStorage(pathlib.Path(sys.argv[1]), 0); d = s.create('1.2');"
        "d.write(bytes(100000)); print('written', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        FilesystemStorage(tmp_path, 0).close()
        assert len(files(tmp_path)) == 1, "the draft of a living process must stay"
        process.send_signal(signal.SIGKILL)
        process.wait()
    storage = FilesystemStorage(tmp_path, 0)
    assert files(tmp_path) == []
    assert len(list((tmp_path / ".incoming").iterdir())) == 1
    storage.close()
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_a_folder_removed_by_another_process_is_made_again(tmp_path: Path) -> None:
    ours, theirs = FilesystemStorage(tmp_path, 0), FilesystemStorage(tmp_path, 0)
    put(ours, URI, b"x")
    theirs.remove(URI)
    assert not (tmp_path / URI).parent.parent.exists()
    put(ours, URI, b"y")
    assert (tmp_path / URI).read_bytes() == b"y"


def test_more_folders_than_are_held_open_can_be_stored_into(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, 0)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        put(storage, uri_of(f"1.{number}", "1.1", "1.1.1"), b"x")
    assert len(list(storage.walk())) == 300
    assert len(os.listdir("/proc/self/fd")) - before <= 256 + 4


def test_a_store_into_a_known_folder_takes_few_calls(tmp_path: Path) -> None:
    storage = FilesystemStorage(tmp_path, 0)
    put(storage, URI, b"x")
    calls: list[str] = []
    patched = ("open", "write", "writev", "fdatasync", "fsync", "close", "link", "unlink", "stat", "mkdir")
    with pytest.MonkeyPatch.context() as patch:
        for name in patched:
            real = getattr(os, name)

            def counted(*args: object, _real: object = real, _name: str = name, **kwargs: object) -> object:
                calls.append(_name)
                assert callable(_real)
                return _real(*args, **kwargs)

            patch.setattr(os, name, counted)
        put(storage, uri_of("1.2", "1.2.3", "5"), bytes(500))
    assert calls == ["open", "write", "fdatasync", "link", "close", "unlink", "fsync"]


def test_memory_stays_flat_while_a_large_object_is_written(tmp_path: Path) -> None:
    code = """
import sys, resource, pathlib
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.layout import uri_of
storage = FilesystemStorage(pathlib.Path(sys.argv[1]), 0)
part = bytes(1 << 17)
draft = storage.create("1.2")
draft.write(part)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(2400):
    draft.write(part)
draft.publish(uri_of("1", "2", "3"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True)
    assert int(done.stdout) < 8 * 1024, "KiB more than at the beginning of 300 MiB"

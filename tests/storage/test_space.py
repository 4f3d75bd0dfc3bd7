from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from threading import Thread

import pytest

from pacs.storage.space import Space


def test_what_is_taken_is_reckoned_with_until_the_file_system_is_asked_again(tmp_path: Path) -> None:
    space = Space(tmp_path, 0)
    before = space.free()
    assert space.take(1000)
    assert space.free() == before - 1000
    space.refresh()
    assert space.free() != before - 1000 or shutil.disk_usage(tmp_path).free == before - 1000


def test_no_thread_sees_the_space_before_the_file_system_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs

    def slow(path: Path) -> os.statvfs_result:
        time.sleep(0.05)
        return real(path)

    monkeypatch.setattr(os, "statvfs", slow)
    space = Space(tmp_path, 0)
    seen: list[int] = []
    threads = [Thread(target=lambda: seen.append(space.free())) for _ in range(8)]
    for thread in threads:
        thread.start()
        time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert min(seen) > 0

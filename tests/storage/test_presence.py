from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pacs.storage.presence import is_alive, open_locked, producer_name


def test_owner_is_alive_while_it_holds_the_file_open(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    descriptor = open_locked(path, os.O_RDWR)
    assert is_alive(path)
    os.close(descriptor)
    assert not is_alive(path)


def test_nobody_owns_a_missing_file(tmp_path: Path) -> None:
    assert not is_alive(tmp_path / "lock")


def test_owner_in_another_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import os, sys, time, pathlib; from pacs.storage.presence import open_locked;"
        "open_locked(pathlib.Path(sys.argv[1]), os.O_RDWR); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert is_alive(path)
        process.kill()
        process.wait()
    assert not is_alive(path)


def test_names_of_producers_are_never_the_same() -> None:
    assert len({producer_name() for _ in range(1000)}) == 1000

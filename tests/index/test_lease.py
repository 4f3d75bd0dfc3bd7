"""The lease: one writer, whatever happens to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacs.errors import IndexUnavailable, LeaseHeld, LeaseLost
from pacs.index.lease import Lease

HOLD = """
import sys, time
from pathlib import Path
from pacs.index.lease import Lease
lease = Lease(Path(sys.argv[1]))
lease.acquire()
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "lease"


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_lease_is_taken_checked_and_given_back(path: Path) -> None:
    with Lease(path) as lease:
        lease.check()
    with pytest.raises(LeaseLost):
        lease.check()
    with Lease(path) as again:
        again.check()
    assert path.exists()


def test_second_process_is_told_who_holds_it(path: Path) -> None:
    process = holder(path)
    try:
        with pytest.raises(LeaseHeld, match=rf"Process {process.pid} on .* since 20.*Stop it first"):
            Lease(path).acquire()
    finally:
        kill(process)


def test_killed_holder_frees_it_at_once(path: Path) -> None:
    kill(holder(path))
    started = time.monotonic()
    with Lease(path) as lease:
        lease.check()
    assert time.monotonic() - started < 1


def test_second_lease_of_one_process_is_refused(path: Path) -> None:
    with Lease(path) as lease:
        with pytest.raises(LeaseHeld):
            Lease(path).acquire()
        with pytest.raises(LeaseHeld):
            lease.acquire()
        lease.check()


def test_writer_that_another_followed_stops(path: Path) -> None:
    with Lease(path) as lease:
        # What a host writes that got the lock from a server that forgot ours.
        path.write_text(json.dumps({"epoch": 2, "token": "other", "host": "elsewhere", "pid": 7}))
        with pytest.raises(LeaseLost, match="Process 7 on elsewhere"):
            lease.check()


@pytest.mark.parametrize("content", ["", "no json", "[]", '{"epoch": "x"}'])
def test_damaged_lease_file_stops_the_writer_but_not_the_next(path: Path, content: str) -> None:
    with Lease(path) as lease:
        path.write_text(content)
        with pytest.raises(LeaseLost):
            lease.check()
    with Lease(path) as following:
        following.check()


def test_deleted_lease_file_stops_the_writer(path: Path) -> None:
    with Lease(path) as lease:
        path.unlink()
        with pytest.raises(LeaseLost):
            lease.check()


def test_epoch_rises_with_each_holder(path: Path) -> None:
    epochs = []
    for _ in range(3):
        with Lease(path):
            epochs.append(json.loads(path.read_text())["epoch"])
    assert epochs == [1, 2, 3]


def test_forked_child_does_not_hold_it_nor_keep_it(path: Path) -> None:
    lease = Lease(path)
    lease.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            lease.check()
        except LeaseLost:
            code = 0
        os.write(writing, bytes([code]))
        time.sleep(600)
    try:
        assert os.read(reading, 1) == b"\0"
        lease.check()
        # The child lives on with a copy of all that its parent had open.
        lease.release()
        with Lease(path) as following:
            following.check()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_lease_file_that_cannot_be_opened_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "lease").mkdir()
    with pytest.raises(IndexUnavailable, match="cannot be opened"):
        Lease(tmp_path / "lease").acquire()

"""SIGKILL in the middle of stores: what was acknowledged is there, whole, and nothing else is visible."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacs.archive.verify import verify
from pacs.index.memory import MemoryIndex
from tests.archive.site import Site
from tests.encoded import Instance

ROOT = Path(__file__).parents[2]

STORING = """
import itertools, sys, threading
from pathlib import Path
from tests.archive.site import Site
from tests.archive.test_crash import instance

site = Site(Path(sys.argv[1]))
site.indexer.start()

def store(thread):
    for number in itertools.count():
        site.put(instance(sys.argv[2], thread, number))
        sys.stdout.write(f"{thread} {number}\\n")
        sys.stdout.flush()

for thread in range(4):
    threading.Thread(target=store, args=(thread,)).start()
"""


def instance(run: str, thread: int, number: int) -> Instance:
    study = f"1.{run}.{thread}.{number // 20}"
    pixels = bytes([number % 256]) * (2 * (number * 7919 % 60_000))
    return Instance(f"{study}.1.{number}", study=study, series=f"{study}.1", pixels=pixels)


@pytest.mark.parametrize("run", range(6))
def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_seen(tmp_path: Path, run: int) -> None:
    acknowledged: dict[str, Instance] = {}
    for attempt in range(2):
        name = str(attempt + 1)
        with subprocess.Popen(
            [sys.executable, "-c", STORING, str(tmp_path), name], stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(random.Random(run * 10 + attempt).uniform(0, 0.4))
            process.kill()
            lines += process.stdout.read().splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n"):
                thread, number = map(int, line.split())
                one = instance(name, thread, number)
                acknowledged[one.sop_instance_uid] = one

    site = Site(tmp_path, MemoryIndex())
    site.indexer.start()
    found = site.found()
    # The index here is in memory and went with the process: what its journal no longer held is on storage.
    stored = {path.stem for path in site.files()}
    assert acknowledged.keys() <= stored
    assert {path.suffix for path in site.files()} <= {".dcm"}, "no draft is left"
    assert found <= stored
    problems = list(verify(site.index, site.storage, deep=True))
    assert {finding.problem for finding in problems} <= {"not-indexed"}
    for path in site.files():
        study, series = path.parent.parent.name, path.parent.name
        _, name, sender, _ = study.split(".")
        one = instance(name, int(sender), int(path.stem.rpartition(".")[2]))
        assert (one.study, one.series) == (study, series)
        assert path.read_bytes().endswith(one.data_set), "every file is whole"
    site.close()


def test_with_an_index_that_survives_the_archive_is_in_order_after_the_restart(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STORING.replace("site.indexer.start()", ""), str(tmp_path), "1"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        for _ in range(100):
            process.stdout.readline()
        process.kill()
        process.stdout.read()
    # Nothing was indexed, so that every record is in the journal still.
    site = Site(tmp_path)
    site.indexer.start()
    assert len(site.found()) >= 100
    assert list(verify(site.index, site.storage, deep=True)) == []
    deadline = time.monotonic() + 10
    while site.segments():
        assert time.monotonic() < deadline, "the journal of the killed process was not consumed"
        time.sleep(0.02)
    site.close()

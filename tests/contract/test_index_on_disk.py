"""What the engines on disk promise besides: what is left after an end, a kill, a full disk; other readers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from pacs.dicom import tags
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable, LeaseLost
from pacs.index.hierarchy import derive
from pacs.index.protocol import Changes
from pacs.query.tree import Everything, PersonName
from tests.contract.index_engines import NAME, PERSISTENT, Open, add, confirmed, keys, lost, stored

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(params=PERSISTENT)
def opener(request: pytest.FixtureRequest) -> Open:
    return PERSISTENT[request.param]


def test_index_opened_again_holds_what_it_held(opener: Open, tmp_path: Path) -> None:
    index = opener(tmp_path / "index", True, confirmed)
    derived = derive([stored(1), stored(2)], index)
    index.apply(derived)
    index.close()
    for writable in (True, False):
        index = opener(tmp_path / "index", writable, confirmed)
        for entity in derived.put:
            assert index.get(entity.identity.level, [entity.identity.key]) == {entity.identity.key: entity}
        index.close()


def test_reader_beside_the_writer_sees_each_commit(opener: Open, tmp_path: Path) -> None:
    writer = opener(tmp_path / "index", True, confirmed)
    reader = opener(tmp_path / "index", False, confirmed)
    for number in range(12):
        add(writer, stored(number))
        assert reader.count(Level.IMAGE) == number + 1
        assert len(keys(reader.search(Level.IMAGE, PersonName(NAME, "DOE")))) == number + 1
    with pytest.raises(IndexUnavailable, match="only read"):
        reader.apply(Changes())
    with pytest.raises(IndexUnavailable, match="only read"):
        reader.clear()
    writer.close()
    assert reader.count(Level.IMAGE) == 12
    reader.close()


def test_reader_without_an_index_says_what_to_do(opener: Open, tmp_path: Path) -> None:
    with pytest.raises(IndexUnavailable, match="pacs rebuild"):
        opener(tmp_path / "index", False, confirmed)


def test_new_index_needs_a_rebuild_until_it_is_told(opener: Open, tmp_path: Path) -> None:
    for _ in range(2):
        index = opener(tmp_path / "index", True, confirmed)
        assert index.needs_rebuild
        index.close()
    index = opener(tmp_path / "index", True, confirmed)
    index.rebuilt()
    assert not index.needs_rebuild
    index.close()
    index = opener(tmp_path / "index", True, confirmed)
    assert not index.needs_rebuild
    index.close()


def test_index_of_another_version_is_begun_anew_by_the_writer_only(opener: Open, tmp_path: Path) -> None:
    index = opener(tmp_path / "index", True, confirmed)
    add(index, stored(1))
    index.rebuilt()
    index.close()
    (tmp_path / "index" / "version.json").write_text('{"engine": "of old"}')
    with pytest.raises(IndexUnavailable, match=r"another version.*pacs rebuild"):
        opener(tmp_path / "index", False, confirmed)
    index = opener(tmp_path / "index", True, confirmed)
    assert index.needs_rebuild
    assert index.count(Level.IMAGE) == 0
    add(index, stored(2))
    index.close()


def test_damaged_index_is_begun_anew_by_the_writer_only(opener: Open, tmp_path: Path) -> None:
    index = opener(tmp_path / "index", True, confirmed)
    add(index, stored(1))
    index.rebuilt()
    index.close()
    for file in (tmp_path / "index" / "files").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(IndexUnavailable, match="pacs rebuild"):
        opener(tmp_path / "index", False, confirmed)
    index = opener(tmp_path / "index", True, confirmed)
    assert index.needs_rebuild
    add(index, stored(2))
    assert index.count(Level.IMAGE) == 1
    index.close()


def test_writer_that_lost_its_lease_changes_nothing(opener: Open, tmp_path: Path) -> None:
    checks = [confirmed]
    index = opener(tmp_path / "index", True, lambda: checks[0]())
    add(index, stored(1))
    checks[0] = lost
    with pytest.raises(LeaseLost):
        add(index, stored(2))
    with pytest.raises(LeaseLost):
        index.clear()
    assert index.count(Level.IMAGE) == 1
    checks[0] = confirmed
    add(index, stored(3))
    assert keys(index.search(Level.IMAGE, Everything())) == ["9.1", "9.3"]
    index.close()


def test_lease_lost_while_documents_are_made_changes_nothing(opener: Open, tmp_path: Path) -> None:
    answers: list[Callable[[], None]] = []
    index = opener(tmp_path / "index", True, lambda: answers.pop()() if answers else None)
    add(index, stored(1))
    answers += [lost, confirmed]
    with pytest.raises(LeaseLost):
        add(index, stored(2))
    assert index.count(Level.IMAGE) == 1
    add(index, stored(3))
    assert keys(index.search(Level.IMAGE, Everything())) == ["9.1", "9.3"]
    index.close()


def test_failure_while_documents_are_made_leaves_the_index_usable(opener: Open, tmp_path: Path) -> None:
    class Broken(dict[int, Value]):
        def keys(self) -> NoReturn:
            raise RuntimeError("broken")

    index = opener(tmp_path / "index", True, confirmed)
    good = derive([stored(1)], index).put
    bad = replace(good[0], header=Header(Broken(good[0].header.values)))
    with pytest.raises(RuntimeError):
        index.apply(Changes(put=[*good, bad]))
    assert index.count(Level.IMAGE) == 0
    index.apply(Changes(put=good))
    assert index.count(Level.IMAGE) == 1
    index.close()


FULL = """
import resource, signal, sys
from pathlib import Path
from typing import NoReturn
from pacs.errors import IndexUnavailable
from pacs.dicom.level import Level
from pacs.index.hierarchy import derive
from tests.contract.index_engines import PERSISTENT, add, confirmed, stored

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
index = PERSISTENT[sys.argv[1]](Path(sys.argv[2]), True, confirmed)
add(index, stored(1))
usual = resource.getrlimit(resource.RLIMIT_FSIZE)
for count, limit in enumerate((0, 1000, 3000), 2):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, usual[1]))
    changes = derive([stored(number) for number in range(100, 400)], index)
    for _ in range(2):
        try:
            index.apply(changes)
        except IndexUnavailable:
            pass
        else:
            sys.exit("nothing was raised")
        assert index.count(Level.IMAGE) == count - 1
    resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    add(index, stored(count))
    assert index.count(Level.IMAGE) == count
index.close()
"""


@pytest.mark.parametrize("engine", PERSISTENT)
def test_failed_commit_changes_nothing_and_the_next_one_works(engine: str, tmp_path: Path) -> None:
    """No file may grow beyond a limit, as on a full disk, and then it may again."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, engine, str(tmp_path / "index")],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


READ = """
import sys
from pathlib import Path
from typing import NoReturn
from pacs.dicom.level import Level
from tests.contract.index_engines import PERSISTENT, confirmed

index = PERSISTENT[sys.argv[1]](Path(sys.argv[2]), False, confirmed)
for line in sys.stdin:
    print(index.count(Level.IMAGE), flush=True)
"""


@pytest.mark.parametrize("engine", PERSISTENT)
def test_another_process_reads_each_commit(engine: str, tmp_path: Path) -> None:
    index = PERSISTENT[engine](tmp_path / "index", True, confirmed)
    with subprocess.Popen(
        [sys.executable, "-c", READ, engine, str(tmp_path / "index")],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        for number in range(5):
            add(index, stored(number))
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline() == f"{number + 1}\n"
    index.close()
    assert reader.returncode == 0


KILLED = """
import sys
from pathlib import Path
from typing import NoReturn
from tests.contract.index_engines import PERSISTENT, add, confirmed, stored

index = PERSISTENT[sys.argv[1]](Path(sys.argv[2]), True, confirmed)
for number in range(100_000):
    add(index, stored(number, study=number // 5))
    print(number, flush=True)
"""


@pytest.mark.parametrize("engine", PERSISTENT)
def test_killed_writer_leaves_every_commit_and_right_counts(engine: str, tmp_path: Path) -> None:
    committed = -1
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, engine, str(tmp_path / "index")],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            committed = int(line)
            if committed == 30:
                writer.kill()
    index = PERSISTENT[engine](tmp_path / "index", True, confirmed)
    count = index.count(Level.IMAGE)
    assert committed + 1 <= count <= committed + 2
    studies = list(index.search(Level.STUDY, Everything()))
    assert sum(int(study.header.text(tags.NUMBER_OF_STUDY_RELATED_INSTANCES)) for study in studies) == count
    add(index, stored(1_000_000))
    assert index.count(Level.IMAGE) == count + 1
    index.close()

"""What the Index protocol promises, of every engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable, LeaseLost
from pacs.index.hierarchy import StoredInstance, derive, forget
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Changes, Entity, Identity, Index
from pacs.index.tantivy import TantivyIndex
from pacs.index.whoosh import WhooshIndex
from pacs.query.match import matcher
from pacs.query.tree import Equals, Everything, Node, Not, Or, PersonName, Range, Words
from tests.index.header_strategies import headers, queries

NAME = (tags.PATIENT_NAME,)


class Persistent(Index, Protocol):
    """What the engines on disk offer besides."""

    @property
    def needs_rebuild(self) -> bool: ...

    def rebuilt(self) -> None: ...


Open = Callable[[Path, bool, Callable[[], None]], Persistent]
PERSISTENT: dict[str, Open] = {
    "tantivy": lambda path, writable, check: TantivyIndex(path, writable=writable, check_lease=check),
    "whoosh": lambda path, writable, check: WhooshIndex(path, writable=writable, check_lease=check),
}


def confirmed() -> None:
    """A lease that is never lost."""


def lost() -> None:
    raise LeaseLost("Another process writes.")


def open_engine(name: str, path: Path) -> Index:
    return MemoryIndex() if name == "memory" else PERSISTENT[name](path, True, confirmed)


@pytest.fixture(params=["memory", *PERSISTENT])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened = open_engine(request.param, tmp_path / "index")
    yield opened
    opened.close()


@pytest.fixture(params=PERSISTENT)
def opener(request: pytest.FixtureRequest) -> Open:
    return PERSISTENT[request.param]


def stored(
    number: int, *, series: int = 1, study: int = 1, patient: str = "P", name: str = "Doe"
) -> StoredInstance:
    header = Header(
        {
            tags.SOP_CLASS_UID: "1.2.840.10008.5.1.4.1.1.2",
            tags.SOP_INSTANCE_UID: f"9.{number}",
            tags.STUDY_DATE: f"202001{number % 28 + 1:02}",
            tags.MODALITY: "CT",
            tags.PATIENT_NAME: name,
            tags.PATIENT_ID: patient,
            tags.STUDY_INSTANCE_UID: f"1.{study}",
            tags.SERIES_INSTANCE_UID: f"1.{study}.{series}",
            tags.ROWS: "512",
            tags.REQUEST_ATTRIBUTES_SEQUENCE: (Header({tags.REQUESTED_PROCEDURE_ID: "R1"}, {}),),
            0x00091010: "private",
        },
        {0x00091010: "SH"},
    )
    return StoredInstance(header, Location(f"a/{number}.dcm", "1.2.840.10008.1.2.1", 1000 + number, number))


def add(index: Index, *instances: StoredInstance) -> None:
    index.apply(derive(instances, index))


def keys(entities: Iterator[Entity]) -> list[str]:
    return sorted(entity.identity.key for entity in entities)


def test_entities_are_found_as_soon_as_applied(index: Index) -> None:
    for number in range(5):
        add(index, stored(number))
        assert len(keys(index.search(Level.IMAGE, Everything()))) == number + 1


def test_get_gives_back_what_was_put(index: Index) -> None:
    derived = derive([stored(1), stored(2, study=2, patient="ÄÖ 山田" * 50)], index)
    index.apply(derived)
    for entity in derived.put:
        found = index.get(entity.identity.level, [entity.identity.key])
        assert list(found) == [entity.identity.key]
        given = found[entity.identity.key]
        assert given == entity
        assert dict(given.header.values) == entity.header.values
        assert given.header.text(0x00091010) == "private"
        assert (
            given.header.items(tags.REQUEST_ATTRIBUTES_SEQUENCE)[0].text(tags.REQUESTED_PROCEDURE_ID) == "R1"
        )


def test_get_leaves_out_what_is_not_there(index: Index) -> None:
    add(index, *(stored(number) for number in range(150)))
    assert index.get(Level.IMAGE, []) == {}
    assert index.get(Level.STUDY, ["9.1"]) == {}
    wanted = [f"9.{number}" for number in range(100, 300)]
    assert sorted(index.get(Level.IMAGE, wanted)) == sorted(wanted[:50])


def test_attributes_are_read_in_any_order(index: Index) -> None:
    add(index, stored(1))
    for tag in (tags.ROWS, tags.PATIENT_NAME, 0x00091010, 0x00091011, tags.STUDY_DESCRIPTION):
        header = index.get(Level.STUDY, ["1.1"])["1.1"].header
        expected = stored(1).header.values.get(tag)
        assert header.values.get(tag) == expected
        assert (tag in header.values) == (expected is not None)
        assert len(header.values) == len(stored(1).header.values) + 4


def test_put_replaces_and_drop_removes(index: Index) -> None:
    derived = derive([stored(1), stored(2)], index)
    index.apply(derived)
    changed = [replace(entity, order=entity.order + 10) for entity in derived.put]
    index.apply(Changes(put=changed))
    for entity in changed:
        assert index.get(entity.identity.level, [entity.identity.key])[entity.identity.key] == entity
    assert [index.count(level) for level in Level] == [1, 1, 1, 2]
    index.apply(Changes(drop=[changed[0].identity, Identity("nobody"), Identity("P", "1.77")]))
    assert [index.count(level) for level in Level] == [1, 1, 1, 1]
    assert keys(index.search(Level.IMAGE, Everything())) == ["9.2"]


def test_put_of_what_is_dropped_in_the_same_step_stays(index: Index) -> None:
    derived = derive([stored(1)], index)
    index.apply(derived)
    index.apply(Changes(put=derived.put, drop=[entity.identity for entity in derived.put]))
    assert [index.count(level) for level in Level] == [1, 1, 1, 1]


def test_no_change_is_no_error(index: Index) -> None:
    index.apply(Changes())
    assert index.count(Level.IMAGE) == 0
    assert list(index.search(Level.STUDY, Everything())) == []


def test_children_are_those_below_and_no_others(index: Index) -> None:
    add(
        index,
        stored(1, series=1, study=1),
        stored(2, series=2, study=1),
        stored(3, series=1, study=2),
        stored(4, series=1, study=3, patient="Q"),
    )
    patient = index.get(Level.STUDY, ["1.1"])["1.1"].identity.patient
    assert keys(index.children(Level.STUDY, Identity(patient))) == ["1.1", "1.2"]
    assert keys(index.children(Level.SERIES, Identity(patient, "1.1"))) == ["1.1/1.1.1", "1.1/1.1.2"]
    assert keys(index.children(Level.IMAGE, Identity(patient, "1.1"))) == ["9.1", "9.2"]
    assert keys(index.children(Level.IMAGE, Identity(patient, "1.1", "1.1.2"))) == ["9.2"]
    assert keys(index.children(Level.IMAGE, Identity(patient, "1.9"))) == []


def test_forgotten_instances_are_gone(index: Index) -> None:
    add(index, *(stored(number, study=number % 2) for number in range(6)))
    study = index.get(Level.STUDY, ["1.0"])["1.0"].identity
    index.apply(forget([study], index))
    assert [index.count(level) for level in Level] == [1, 1, 1, 3]
    assert keys(index.search(Level.IMAGE, Everything())) == ["9.1", "9.3", "9.5"]


def test_clear_drops_everything(index: Index) -> None:
    add(index, *(stored(number) for number in range(3)))
    index.clear()
    assert [index.count(level) for level in Level] == [0, 0, 0, 0]
    add(index, stored(7))
    assert [index.count(level) for level in Level] == [1, 1, 1, 1]


def test_nothing_works_after_close(index: Index) -> None:
    index.close()
    index.close()
    with pytest.raises(IndexUnavailable):
        index.apply(Changes())
    with pytest.raises(IndexUnavailable):
        index.get(Level.IMAGE, ["9.1"])
    with pytest.raises(IndexUnavailable):
        list(index.search(Level.IMAGE, Everything()))
    with pytest.raises(IndexUnavailable):
        index.count(Level.IMAGE)


def test_search_shows_one_moment_however_long_it_takes(index: Index) -> None:
    add(index, *(stored(number, study=number) for number in range(700)))
    search = index.search(Level.IMAGE, Everything())
    seen = [next(search).identity.key]
    add(index, *(stored(number, study=number) for number in range(700, 900)))
    index.apply(forget([Identity("", "", "", f"9.{number}") for number in range(350)], index))
    seen += [entity.identity.key for entity in search]
    assert sorted(seen) == sorted(f"9.{number}" for number in range(700))
    assert index.count(Level.IMAGE) == 550


def test_reads_go_on_during_writes(index: Index) -> None:
    add(index, *(stored(number) for number in range(20)))
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                found = keys(index.search(Level.IMAGE, PersonName(NAME, "doe")))
                assert len(found) == len(set(found)) >= 20
                study = next(index.search(Level.STUDY, Everything()))
                counted = int(study.header.text(tags.NUMBER_OF_STUDY_RELATED_INSTANCES))
                assert counted >= len(found)
                assert len(index.get(Level.IMAGE, [f"9.{number}" for number in range(20)])) == 20
        except BaseException as error:  # told in the main thread
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for start in range(20, 140, 20):
        add(index, *(stored(number) for number in range(start, start + 20)))
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert index.count(Level.IMAGE) == 140


def entities_of(given: Sequence[Header]) -> list[Entity]:
    """The headers as entities of all levels."""
    entities = []
    for number, header in enumerate(given):
        level = Level(number % 4)
        identity = Identity("P", "S" * (level > 0), "E" * (level > 1), "I" * (level > 2))
        field = ("patient", "study", "series", "instance")[level]
        identity = replace(identity, **{field: f"{field}{number}"})
        entities.append(
            Entity(identity, header, Location("a", "1.2", 1, 1) if level == Level.IMAGE else None)
        )
    return entities


@pytest.mark.parametrize("engine", ["memory", *PERSISTENT])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    given_headers=st.lists(headers(), min_size=4, max_size=24),
    asked=st.lists(queries, min_size=8, max_size=20),
)
def test_engine_and_matcher_together_find_what_a_look_at_everything_finds(
    engine: str, given_headers: list[Header], asked: list[Node]
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        index = open_engine(engine, folder / "index")
        entities = entities_of(given_headers)
        half = len(entities) // 2
        index.apply(Changes(put=entities[:half]))
        index.apply(Changes(put=entities[half:]))
        for where in asked:
            matches = matcher(where)
            for level in Level:
                found = [entity for entity in index.search(level, where) if matches(entity.header)]
                expected = [e for e in entities if e.identity.level == level and matches(e.header)]
                assert sorted(e.identity.key for e in found) == sorted(e.identity.key for e in expected)
                by_key = {e.identity.key: e for e in expected}
                assert all(entity == by_key[entity.identity.key] for entity in found)
        index.close()
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (PersonName(NAME, "name7"), 1),
        (PersonName(NAME, "name1*"), 11),
        (PersonName(NAME, "*9"), 10),
        (Equals((tags.STUDY_INSTANCE_UID,), "UI", "1.42"), 1),
        (Range((tags.STUDY_DATE,), "DA", "20200103", "20200104"), 8),
        (Or((PersonName(NAME, "name7"), Words(("name8",)))), 2),
    ],
    ids=str,
)
def test_only_what_may_match_is_a_candidate(index: Index, where: Node, expected: int) -> None:
    if isinstance(index, MemoryIndex):
        return
    add(index, *(stored(number, study=number, name=f"name{number}") for number in range(100)))
    assert len(keys(index.search(Level.STUDY, where))) == expected


def test_not_is_searched_among_all(index: Index) -> None:
    add(index, *(stored(number, study=number, name=f"name{number}") for number in range(10)))
    where = Not(PersonName(NAME, "name7"))
    assert len([e for e in index.search(Level.STUDY, where) if matcher(where)(e.header)]) == 9


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
    class Broken(Header):
        def text(self, tag: int) -> str:
            raise RuntimeError("broken")

    index = opener(tmp_path / "index", True, confirmed)
    good = derive([stored(1)], index).put
    bad = replace(good[0], header=Broken(good[0].header.values))
    with pytest.raises(RuntimeError):
        index.apply(Changes(put=[*good, bad]))
    assert index.count(Level.IMAGE) == 0
    index.apply(Changes(put=good))
    assert index.count(Level.IMAGE) == 1
    index.close()


FULL = """
import resource, signal, sys
from pathlib import Path
from pacs.errors import IndexUnavailable
from pacs.dicom.level import Level
from pacs.index.hierarchy import derive
from tests.contract.test_index import PERSISTENT, add, confirmed, stored

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
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


READ = """
import sys
from pathlib import Path
from pacs.dicom.level import Level
from tests.contract.test_index import PERSISTENT, confirmed

index = PERSISTENT[sys.argv[1]](Path(sys.argv[2]), False, confirmed)
for line in sys.stdin:
    print(index.count(Level.IMAGE), flush=True)
"""


@pytest.mark.parametrize("engine", PERSISTENT)
def test_another_process_reads_each_commit(engine: str, tmp_path: Path) -> None:
    index = PERSISTENT[engine](tmp_path / "index", True, confirmed)
    with subprocess.Popen(
        [sys.executable, "-c", READ, engine, str(tmp_path / "index")],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
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
from tests.contract.test_index import PERSISTENT, add, confirmed, stored

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
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
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

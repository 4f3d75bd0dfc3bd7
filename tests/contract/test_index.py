"""What the Index protocol promises, of every engine."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable
from pacs.index.hierarchy import derive, forget
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Changes, Entity, Identity, Index
from pacs.query.match import matcher
from pacs.query.tree import Equals, Everything, Node, Not, Or, PersonName, Range, Words
from tests.contract.index_engines import NAME, PERSISTENT, add, keys, open_engine, stored
from tests.index.header_strategies import headers, queries


@pytest.fixture(params=["memory", *PERSISTENT])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened = open_engine(request.param, tmp_path / "index")
    yield opened
    opened.close()


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

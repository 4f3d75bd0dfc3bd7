"""Records: what an engine stores of an entity is the entity, read in two parts."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable
from pacs.index import packing
from pacs.index.protocol import Entity, Identity
from pacs.index.record import core_pairs, core_tags, pack_core, pack_rest, rest_pairs, unpack
from tests.index.header_strategies import headers

IDENTITIES = (Identity("P"), Identity("P", "S"), Identity("P", "S", "E"), Identity("P", "S", "E", "I"))
HEADER = Header(
    {
        tags.STUDY_DATE: "20200131",
        0x00091010: "private",
        tags.PATIENT_NAME: "Doe^John",
        tags.REQUEST_ATTRIBUTES_SEQUENCE: (
            Header({tags.REQUESTED_PROCEDURE_ID: "R"}, {0x00091011: "SH"}),
            Header(),
        ),
        tags.ROWS: "512",
    },
    {0x00091010: "SH"},
)


class Rest:
    """The second part, and how often it was read."""

    def __init__(self, header: Header) -> None:
        self.reads = 0
        self._bytes = pack_rest((rest_pairs(header.values),))

    def __call__(self) -> bytes:
        self.reads += 1
        return self._bytes


def stored(header: Header, level: Level = Level.STUDY) -> tuple[Entity, Rest]:
    rest = Rest(header)
    entity = Entity(IDENTITIES[level], header, Location("a", "1.2", 3, 4), (("class=1.2", 5),), 6)
    return unpack(pack_core(entity, (core_pairs(level, header.values),)), rest), rest


@settings(max_examples=150, deadline=None)
@given(headers(), st.sampled_from(Level))
def test_entity_comes_back_as_it_was(header: Header, level: Level) -> None:
    entity, _ = stored(header, level)
    assert entity == Entity(IDENTITIES[level], header, Location("a", "1.2", 3, 4), (("class=1.2", 5),), 6)
    assert header == entity.header
    assert list(entity.header.values) == sorted(header.values)


@settings(max_examples=150, deadline=None)
@given(headers(), st.sets(st.integers(0, 40)))
def test_a_header_packed_in_parts_is_the_header(header: Header, chosen: set[int]) -> None:
    tags_in_order = list(header.values)
    first = {tag: header.values[tag] for place, tag in enumerate(tags_in_order) if place in chosen}
    second = {tag: value for tag, value in header.values.items() if tag not in first}
    parts = packing.pairs(first), packing.pairs(second)
    assert packing.unpack(packing.joined(parts, header.vrs)) == header


@pytest.mark.parametrize("size", [0, 15, 16, 65_535, 65_536])
def test_a_header_of_any_size_is_packed(size: int) -> None:
    header = Header({number: "v" for number in range(size)})
    assert packing.joined((packing.pairs(header.values),), {}) == packing.pack(header)


def test_rest_is_read_only_when_asked_for_and_once() -> None:
    entity, rest = stored(HEADER)
    assert entity.header.text(tags.STUDY_DATE) == "20200131"
    assert entity.header.values[tags.PATIENT_NAME] == "Doe^John"
    assert tags.PATIENT_ID not in entity.header.values
    assert entity.header.values.get(tags.STUDY_DESCRIPTION, "none") == "none"
    assert entity.header.vrs == {0x00091010: "SH"}
    assert rest.reads == 0
    assert entity.header.text(tags.ROWS) == "512"
    assert entity.header.values.get(tags.COLUMNS) is None
    assert entity.header == HEADER
    assert rest.reads == 1


@pytest.mark.parametrize(
    "look",
    [
        lambda values: dict(values),
        lambda values: {**values},
        lambda values: values.copy(),
        lambda values: values | {},
        lambda values: {} | values,
        lambda values: {tag: values[tag] for tag in values},
        lambda values: dict(values.items()),
        lambda values: dict(zip(values.keys(), values.values(), strict=True)),
        lambda values: {tag: values[tag] for tag in reversed(values)},
        lambda values: copy.copy(values),
        lambda values: copy.deepcopy(values),
        lambda values: pickle.loads(pickle.dumps(values)),
        lambda values: values if len(values) == 5 and values else {},
    ],
)
def test_every_look_at_all_values_sees_all(look: object) -> None:
    entity, _ = stored(HEADER)
    assert callable(look)
    assert look(entity.header.values) == HEADER.values


def test_tag_that_is_nowhere_is_a_key_error() -> None:
    entity, _ = stored(HEADER)
    for tag in (tags.PATIENT_ID, tags.COLUMNS):
        with pytest.raises(KeyError):
            entity.header.values[tag]
    assert entity.header.items(tags.COLUMNS) == ()


def test_core_of_a_level_has_the_attributes_of_the_levels_above() -> None:
    for above, level in zip(Level, list(Level)[1:], strict=False):
        assert core_tags()[above] < core_tags()[level]


@given(st.binary(max_size=40))
def test_damaged_bytes_are_told_as_such(data: bytes) -> None:
    for read in (packing.unpack, lambda data: unpack(data, bytes)):
        try:
            read(data)
        except IndexUnavailable:
            continue

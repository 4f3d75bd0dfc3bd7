"""Documents do not show what came before them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.index.document import REMEMBERED, Document, Documents
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Entity, Identity
from pacs.index.record import unpack
from tests.index.header_strategies import headers

IDENTITIES = (Identity("P"), Identity("P", "S"), Identity("P", "S", "E"), Identity("P", "S", "E", "I"))


def in_series(header: Header, series: int) -> Header:
    """The header as one of an instance of that series."""
    uids = {tags.STUDY_INSTANCE_UID: "1.2", tags.SERIES_INSTANCE_UID: f"1.2.{series}"}
    values = {**header.values, **uids}
    return Header(dict(sorted(values.items())), header.vrs)


def content(document: Document) -> tuple[Level, str, set[str], Entity]:
    """All that a document says, whatever the order it says it in."""
    terms = set(document.terms.split(" "))
    return document.level, document.key, terms, unpack(document.core, lambda: document.rest)


@settings(max_examples=100, deadline=None)
@given(st.lists(headers(), min_size=1, max_size=3), st.data())
def test_a_document_is_the_same_after_any_others(kinds: list[Header], data: st.DataObject) -> None:
    documents = Documents()
    for _ in range(data.draw(st.integers(2, 8))):
        kind = data.draw(st.sampled_from(kinds))
        identity = data.draw(st.sampled_from(IDENTITIES))
        location = Location("a", "1.2", 3, 4) if identity.instance else None
        entity = Entity(identity, in_series(kind, data.draw(st.integers(0, 1))), location)
        (document,) = documents.of([entity])
        (alone,) = Documents().of([entity])
        assert content(document) == content(alone)
        assert content(document)[3] == entity


def test_entities_above_an_instance_have_what_is_counted_and_its_attributes() -> None:
    header = in_series(Header({tags.SOP_INSTANCE_UID: "1.2.3", tags.MODALITY: "CT"}), 0)
    entities = derive([StoredInstance(header, Location("a", "1.2", 3, 4))], MemoryIndex()).put
    documents = list(Documents().of(entities))
    assert [document.level for document in documents] == [3, 2, 1, 0]
    assert all("00080060=ct" in document.terms for document in documents)
    assert [("00080061=ct" in document.terms) for document in documents] == [False, False, True, False]


def test_series_without_number_are_forgotten() -> None:
    documents = Documents()
    for number in range(REMEMBERED * 3):
        header = in_series(Header({tags.INSTANCE_NUMBER: str(number)}), number)
        (document,) = documents.of([Entity(IDENTITIES[3], header, Location("a", "1.2", 3, 4))])
        assert f"00200013={number}" in document.terms.split(" ")

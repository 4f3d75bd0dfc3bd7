"""Find: entities and answers of whole queries, over a real index in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest

from pacs.archive.find import Find
from pacs.dicom import tags
from pacs.dicom.attribute import tag_of
from pacs.dicom.file_meta import header_of_file
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.dicom.reader import read_header
from pacs.dicom.writer import encode_header
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.memory import MemoryIndex
from pacs.index.protocol import Entity
from pacs.query.identifier import Model, Negotiated, query_from_identifier, retrieve_query
from pacs.query.text import parse_text
from pacs.query.tree import Key, Node, Query
from tests.samples import sample

CT, SR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.88.11"


def keys(**values: Value) -> Header:
    return Header(dict(sorted((tag_of(keyword), value) for keyword, value in values.items())))


def instance(patient: str, study: str, series: str, number: int, **more: Value) -> Header:
    given: dict[str, Value] = {
        "SOPClassUID": CT,
        "Modality": "CT",
        "SOPInstanceUID": f"{study}.{series}.{number}",
        "PatientID": patient,
        "PatientName": f"{patient}^TEST",
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.{series}",
        "StudyDate": "20200131",
        "InstanceNumber": str(number),
        **more,
    }
    return keys(**given)


def step(identifier: str, description: str = "") -> Header:
    return keys(ScheduledProcedureStepID=identifier, ScheduledProcedureStepDescription=description)


STORED = [
    instance("DOE", "1.1", "1", 1, RequestAttributesSequence=(step("A", "first"), step("B", "second"))),
    instance("DOE", "1.1", "1", 2),
    instance("DOE", "1.1", "2", 1, SOPClassUID=SR, Modality="SR"),
    instance("DOE", "1.2", "1", 1, StudyDate="20210131"),
    instance("ROE", "1.3", "1", 1, StudyDate="20220131", PatientName="ROE^^^"),
]


class Settling:
    """Counts how often the index was asked to catch up."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


class CountingIndex(MemoryIndex):
    """Counts what is taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0
        self.gets = 0

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        for entity in super().search(level, where):
            self.taken += 1
            yield entity

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        self.gets += 1
        return super().get(level, keys)


def filled(headers: Sequence[Header]) -> CountingIndex:
    index = CountingIndex()
    for number, header in enumerate(headers):
        location = Location(f"{number}.dcm", "1.2.840.10008.1.2.1", 1, 1)
        index.apply(derive([StoredInstance(header, location)], index))
    index.gets = 0
    return index


@pytest.fixture(name="index")
def index_of_two_patients() -> CountingIndex:
    return filled(STORED)


def finder(index: MemoryIndex, settle: Settling | None = None) -> Find:
    return Find(index, settle or Settling(), "PACS")


def query(level: str, /, **values: Value) -> Query:
    held = keys(QueryRetrieveLevel=level, **values)
    return query_from_identifier(held, model=Model.PATIENT_ROOT, options=Negotiated())


def answers(index: MemoryIndex, level: str, /, **values: Value) -> list[Header]:
    return list(finder(index).answers(query(level, **values)))


def texts(found: list[Header], keyword: str) -> list[str]:
    return sorted(header.text(tag_of(keyword)) for header in found)


def test_find_with_empty_key_matches_every_study(index: CountingIndex) -> None:
    assert texts(answers(index, "STUDY", StudyInstanceUID=""), "StudyInstanceUID") == ["1.1", "1.2", "1.3"]


@pytest.mark.parametrize(("level", "count"), [("PATIENT", 2), ("STUDY", 3), ("SERIES", 4), ("IMAGE", 5)])
def test_find_answers_once_an_entity(index: CountingIndex, level: str, count: int) -> None:
    assert len(answers(index, level)) == count


def test_an_answer_has_exactly_the_keys_asked_in_order_of_tags(index: CountingIndex) -> None:
    (answer,) = answers(
        index, "STUDY", StudyInstanceUID="1.3", PatientName="", AccessionNumber="", StudyID=""
    )
    assert list(answer.values.items()) == [
        (tags.ACCESSION_NUMBER, ""),
        (tags.QUERY_RETRIEVE_LEVEL, "STUDY"),
        (tags.RETRIEVE_AE_TITLE, "PACS"),
        (tags.PATIENT_NAME, "ROE^^^"),
        (tags.STUDY_INSTANCE_UID, "1.3"),
        (tags.STUDY_ID, ""),
    ]


def test_computed_attributes_of_a_study_are_answered(index: CountingIndex) -> None:
    (answer,) = answers(
        index,
        "STUDY",
        StudyInstanceUID="1.1",
        ModalitiesInStudy="",
        SOPClassesInStudy="",
        NumberOfStudyRelatedSeries="",
        NumberOfStudyRelatedInstances="",
        NumberOfPatientRelatedStudies="",
        NumberOfSeriesRelatedInstances="",
        InstanceAvailability="",
    )
    assert sorted(answer.text(tags.MODALITIES_IN_STUDY).split("\\")) == ["CT", "SR"]
    assert sorted(answer.text(tags.SOP_CLASSES_IN_STUDY).split("\\")) == [CT, SR]
    assert answer.text(tags.NUMBER_OF_STUDY_RELATED_SERIES) == "2"
    assert answer.text(tags.NUMBER_OF_STUDY_RELATED_INSTANCES) == "3"
    assert answer.text(tags.NUMBER_OF_PATIENT_RELATED_STUDIES) == "2"
    assert answer.text(tags.NUMBER_OF_SERIES_RELATED_INSTANCES) == ""
    assert answer.text(tags.INSTANCE_AVAILABILITY) == "ONLINE"


def test_computed_attributes_of_levels_above_are_answered(index: CountingIndex) -> None:
    found = answers(
        index,
        "IMAGE",
        PatientID="DOE",
        ModalitiesInStudy="",
        NumberOfSeriesRelatedInstances="",
        NumberOfPatientRelatedInstances="",
    )
    assert texts(found, "NumberOfPatientRelatedInstances") == ["4"] * 4
    assert texts(found, "NumberOfSeriesRelatedInstances") == ["1", "1", "2", "2"]
    assert texts(found, "ModalitiesInStudy")[0] == "CT"
    # Two studies, three series, one patient: those of a level are fetched together.
    assert index.gets == 3


def test_parents_of_very_many_are_fetched_by_many_and_forgotten() -> None:
    index = CountingIndex()
    headers = [instance("DOE", f"1.{number}", "1", 1) for number in range(3000)]
    index.apply(derive([StoredInstance(header, Location("a", CT, 1, 1)) for header in headers], index))
    index.gets = 0
    asked = keys(QueryRetrieveLevel="SERIES", ModalitiesInStudy="CT", SeriesInstanceUID="")
    options = Negotiated(relational=True)
    found = list(finder(index).answers(query_from_identifier(asked, model=Model.STUDY_ROOT, options=options)))
    assert len(found) == 3000
    assert set(texts(found, "ModalitiesInStudy")) == {"CT"}
    assert index.gets < 30


def test_computed_attributes_of_levels_above_are_matched(index: CountingIndex) -> None:
    assert texts(
        answers(index, "SERIES", ModalitiesInStudy="SR", SeriesInstanceUID=""), "SeriesInstanceUID"
    ) == [
        "1.1.1",
        "1.1.2",
    ]
    assert len(answers(index, "SERIES", ModalitiesInStudy="SR", Modality="CT")) == 1
    assert len(answers(index, "IMAGE", NumberOfStudyRelatedInstances="3", PatientID="DOE")) == 3
    assert answers(index, "SERIES", ModalitiesInStudy="SR", PatientID="ROE") == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ModalitiesInStudy:SR", 2),
        ("NOT ModalitiesInStudy:SR", 2),
        ("NumberOfStudyRelatedSeries:[2 TO *] AND Modality:CT", 1),
        ("ModalitiesInStudy:SR OR PatientID:ROE", 3),
        ("NOT (ModalitiesInStudy:SR AND PatientID:DOE)", 2),
    ],
)
def test_texts_may_name_computed_attributes_of_levels_above(
    index: CountingIndex, text: str, count: int
) -> None:
    assert len(list(finder(index).entities(Query(Level.SERIES, parse_text(text))))) == count


def test_items_are_answered_with_the_keys_asked_where_they_match(index: CountingIndex) -> None:
    (answer,) = answers(index, "SERIES", RequestAttributesSequence=(keys(ScheduledProcedureStepID="B"),))
    assert answer.items(tags.REQUEST_ATTRIBUTES_SEQUENCE) == (keys(ScheduledProcedureStepID="B"),)


def test_universal_items_are_answered_all(index: CountingIndex) -> None:
    asked = keys(ScheduledProcedureStepID="", RequestedProcedureID="")
    (answer,) = answers(index, "SERIES", SeriesInstanceUID="1.1.1", RequestAttributesSequence=(asked,))
    assert answer.items(tags.REQUEST_ATTRIBUTES_SEQUENCE) == (
        keys(ScheduledProcedureStepID="A", RequestedProcedureID=""),
        keys(ScheduledProcedureStepID="B", RequestedProcedureID=""),
    )


@pytest.mark.parametrize("asked", [(), (Header(),)])
def test_an_empty_item_asks_for_the_whole_sequence(index: CountingIndex, asked: tuple[Header, ...]) -> None:
    (answer,) = answers(index, "SERIES", SeriesInstanceUID="1.1.1", RequestAttributesSequence=asked)
    assert answer.items(tags.REQUEST_ATTRIBUTES_SEQUENCE) == (step("A", "first"), step("B", "second"))


def test_an_absent_sequence_is_answered_empty(index: CountingIndex) -> None:
    (answer,) = answers(index, "STUDY", StudyInstanceUID="1.3", ProcedureCodeSequence=(keys(CodeValue=""),))
    assert answer.values[tags.PROCEDURE_CODE_SEQUENCE] == ()


def private(block: int, value: str) -> Header:
    header = instance("P", f"1.{block}", "1", 1)
    header.values |= {0x00090000 | block: "ACME", 0x00090001 | block << 8: value}
    header.vrs[0x00090001 | block << 8] = "SH"
    return header


def test_private_keys_are_answered_at_their_own_place() -> None:
    index = filled([private(0x10, "x"), private(0x12, "x"), private(0x13, "y"), instance("P", "1.9", "1", 1)])
    held = keys(QueryRetrieveLevel="STUDY", StudyInstanceUID="")
    held.values |= {0x00090011: "ACME", 0x00091101: "x"}
    held.vrs[0x00091101] = "LO"
    asked = query_from_identifier(held, model=Model.STUDY_ROOT, options=Negotiated())
    found = list(finder(index).answers(asked))
    assert texts(found, "StudyInstanceUID") == ["1.16", "1.18"]
    for answer in found:
        assert answer.values[0x00090011] == "ACME"
        assert answer.values[0x00091101] == "x"
        assert answer.vrs[0x00091101] == "SH"

    held.values[0x00091101] = ""
    asked = query_from_identifier(held, model=Model.STUDY_ROOT, options=Negotiated())
    assert sorted(str(answer.values[0x00091101]) for answer in finder(index).answers(asked)) == [
        "",
        "x",
        "x",
        "y",
    ]


def test_keys_of_lower_levels_are_those_of_the_first_instance(index: CountingIndex) -> None:
    (answer,) = answers(index, "STUDY", StudyInstanceUID="1.1", Modality="CT", InstanceNumber="")
    assert answer.text(tags.INSTANCE_NUMBER) == "1"
    assert answers(index, "STUDY", StudyInstanceUID="1.1", Modality="SR") == []


def test_a_query_waits_until_all_that_was_acknowledged_is_found(index: CountingIndex) -> None:
    settle = Settling()
    find = finder(index, settle)
    assert len(list(find.entities(query("STUDY")))) == 3
    assert settle.count == 1
    list(find.answers(query("STUDY")))
    assert settle.count == 2


def test_answers_come_one_by_one(index: CountingIndex) -> None:
    found = finder(index).answers(query("IMAGE"))
    next(found)
    assert index.taken == 1


def test_a_retrieve_finds_the_instances_and_where_they_are(index: CountingIndex) -> None:
    asked = retrieve_query(keys(QueryRetrieveLevel="SERIES", SeriesInstanceUID="1.1.1"), Model.STUDY_ROOT)
    found = list(finder(index).entities(asked))
    assert sorted(entity.identity.instance for entity in found) == ["1.1.1.1", "1.1.1.2"]
    assert all(entity.location is not None for entity in found)


def test_an_answer_without_keys_is_empty(index: CountingIndex) -> None:
    assert [header.values for header in finder(index).answers(Query(Level.PATIENT, parse_text("ROE")))] == [
        {}
    ]
    asked = Query(Level.PATIENT, parse_text("ROE"), (Key(tags.PATIENT_ID, "LO"),))
    assert [header.values for header in finder(index).answers(asked)] == [{tags.PATIENT_ID: "ROE"}]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("chrH31.dcm", "*山田*"),
        ("chrH31.dcm", "YAMADA*"),
        ("chrH32.dcm", "山田^太郎"),
        ("chrI2.dcm", "洪*"),
        ("chrRuss.dcm", "ЛЮК*"),
        ("chrGreek.dcm", "διον*"),
        ("chrGerm.dcm", "Äneas^*"),
        ("chrX1.dcm", "*王^小東*"),
        ("chrX2.dcm", "王^小东"),
    ],
)
def test_names_of_every_character_set_are_found_by_a_utf_8_query(name: str, pattern: str) -> None:
    with sample(name).open("rb") as file:
        _, header = header_of_file(io.BytesIO(file.read()))
    header.values.update(
        instance("P", "1.1", "1", 1).values | {tags.PATIENT_NAME: header.text(tags.PATIENT_NAME)}
    )
    index = filled([Header(dict(sorted(header.values.items())), header.vrs)])
    asked = keys(
        SpecificCharacterSet="ISO_IR 192",
        QueryRetrieveLevel="STUDY",
        PatientName=pattern,
        StudyInstanceUID="",
    )
    syntax = "1.2.840.10008.1.2.1"
    held = read_header(encode_header(asked, syntax, "ISO_IR 192"), syntax, complete=True)
    found = list(
        finder(index).answers(query_from_identifier(held, model=Model.STUDY_ROOT, options=Negotiated()))
    )
    assert [answer.text(tags.PATIENT_NAME) for answer in found] == [header.text(tags.PATIENT_NAME)]

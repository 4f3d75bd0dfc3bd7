from __future__ import annotations

import pytest

from pacs.archive.find import Find
from pacs.archive.search import Search, deepest_level
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.memory import MemoryIndex
from pacs.query.text import parse_text


def instance(study: str, series: str, number: str, modality: str) -> StoredInstance:
    uid = f"{study}.{series}.{number}"
    values = {
        tags.SOP_CLASS_UID: "1.2.840.10008.5.1.4.1.1.2",
        tags.SOP_INSTANCE_UID: uid,
        tags.MODALITY: modality,
        tags.PATIENT_NAME: f"Doe^{study}",
        tags.PATIENT_ID: study,
        tags.STUDY_INSTANCE_UID: f"1.{study}",
        tags.SERIES_INSTANCE_UID: f"1.{study}.{series}",
        tags.INSTANCE_NUMBER: number,
    }
    return StoredInstance(Header(dict(sorted(values.items()))), Location(f"{uid}.dcm", "1.2", 1, 0))


@pytest.fixture
def search() -> Search:
    """Study 1 has a series of SR and one of CT, study 2 one of MR."""
    index = MemoryIndex()
    instances = [
        instance("1", "1", "1", "SR"),
        instance("1", "2", "1", "CT"),
        instance("1", "2", "2", "CT"),
        instance("2", "1", "1", "MR"),
    ]
    index.apply(derive(instances, index))
    return Search(index, Find(index, lambda: None, "PACS"))


@pytest.mark.parametrize(
    ("text", "level", "keys"),
    [
        ("Modality:CT", Level.STUDY, ["1.1"]),
        ("Modality:CT", Level.SERIES, ["1.1/1.1.2"]),
        ("InstanceNumber:2", Level.STUDY, ["1.1"]),
        ("InstanceNumber:1", Level.STUDY, ["1.1", "1.2"]),
        ("PatientName:doe*", Level.STUDY, ["1.1", "1.2"]),
        ("ModalitiesInStudy:CT", Level.SERIES, ["1.1/1.1.1", "1.1/1.1.2"]),
        ("MR", Level.STUDY, ["1.2"]),
        ("CT", Level.IMAGE, ["1.2.1", "1.2.2"]),
        ("Modality:US", Level.PATIENT, []),
    ],
)
def test_what_holds_a_match_is_found_once(search: Search, text: str, level: Level, keys: list[str]) -> None:
    found = search.entities(level, parse_text(text))
    assert sorted(entity.identity.key for entity in found) == keys


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", Level.PATIENT),
        ("PatientID:1", Level.PATIENT),
        ("PatientID:1 AND StudyDate:2024", Level.STUDY),
        ("NOT Modality:CT", Level.SERIES),
        ("PatientID:1 OR InstanceNumber:1", Level.IMAGE),
        ("NumberOfSeriesRelatedInstances:1", Level.SERIES),
        ("anything", Level.IMAGE),
    ],
)
def test_the_deepest_level_is_that_of_the_lowest_attribute(text: str, level: Level) -> None:
    assert deepest_level(parse_text(text)) is level

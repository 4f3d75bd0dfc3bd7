"""Names stored in one character set are found by a query in another, and come back readable."""

from __future__ import annotations

from collections.abc import Iterator

import pydicom
import pytest
from pydicom import Dataset

from tests import dcmtk
from tests.appliance import Appliance, running
from tests.part_ten import take_apart
from tests.samples import sample

FILES = {
    "chrArab.dcm": "ISO_IR 127",
    "chrFren.dcm": "ISO_IR 100",
    "chrGerm.dcm": "ISO_IR 100",
    "chrGreek.dcm": "ISO_IR 126",
    "chrH31.dcm": "ISO 2022 IR 87",
    "chrH32.dcm": "ISO 2022 IR 13 and 87",
    "chrHbrw.dcm": "ISO_IR 138",
    "chrI2.dcm": "ISO 2022 IR 149",
    "chrRuss.dcm": "ISO_IR 144",
    "chrX1.dcm": "ISO_IR 192",
    "chrX2.dcm": "GB18030",
}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A server with one study for each character set."""
    folder = tmp_path_factory.mktemp("charset")
    appliance = Appliance(folder / "pacs")
    with running(appliance):
        for name in FILES:
            parts = take_apart(sample(name))
            contexts = [(parts.sop_class_uid, [parts.transfer_syntax_uid])]
            with appliance.association(contexts) as assoc:
                status = assoc.store(
                    parts.sop_class_uid, parts.sop_instance_uid, parts.transfer_syntax_uid, parts.data_set
                )["Status"]
            assert status == 0, name
        yield appliance


def _ask(archive: Appliance, name: str, character_set: str = "ISO_IR 192") -> list[Dataset]:
    query = Dataset()
    query.SpecificCharacterSet = character_set
    query.QueryRetrieveLevel = "STUDY"
    query.PatientName = name
    query.StudyInstanceUID = ""
    return dcmtk.find(archive, {}, query=query)


def _name(file: str) -> str:
    return str(pydicom.dcmread(sample(file)).PatientName)


@pytest.mark.parametrize("file", FILES, ids=[value.replace(" ", "_") for value in FILES.values()])
def test_a_name_is_found_by_a_query_in_utf_8_and_comes_back_readable(archive: Appliance, file: str) -> None:
    answers = _ask(archive, _name(file))
    assert _name(file) in [str(answer.PatientName) for answer in answers]
    for answer in answers:
        # A component group (alphabetic=ideographic=phonetic) may be the one that matched.
        assert set(str(answer.PatientName).split("=")) & set(_name(file).split("="))


@pytest.mark.parametrize(
    "pattern", ["山田^太郎", "山田*", "*太郎", "やまだ^たろう", "yamada^tarou", "YAMADA*"], ids=ascii
)
def test_each_component_group_of_a_japanese_name_is_found(archive: Appliance, pattern: str) -> None:
    names = [str(answer.PatientName) for answer in _ask(archive, pattern)]
    assert _name("chrH31.dcm") in names


def test_a_latin_1_query_finds_a_latin_1_name_without_regard_to_case(archive: Appliance) -> None:
    (answer,) = _ask(archive, "ÄNEAS*", "ISO_IR 100")
    assert str(answer.PatientName) == _name("chrGerm.dcm")


def test_the_answer_names_a_character_set_that_can_say_what_it_holds(archive: Appliance) -> None:
    for answer in _ask(archive, ""):
        name = str(answer.PatientName)
        if name.isascii():
            continue
        declared = answer.get("SpecificCharacterSet")
        assert declared, name
        assert "�" not in name
    names = {str(answer.PatientName) for answer in _ask(archive, "")}
    assert {_name(file) for file in FILES} <= names

"""Tags, keywords, VRs and levels."""

from __future__ import annotations

from itertools import combinations

import pytest
from pydicom.datadict import dictionary_has_tag

from pacs.dicom import tags
from pacs.dicom.attribute import (
    COMPUTED,
    LEVEL_ATTRIBUTES,
    UNIQUE_KEY,
    VRS,
    keyword_of,
    level_of,
    signed_or_unsigned,
    tag_of,
    vr_dictionary,
    vr_of,
)
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.errors import InvalidQuery

_TAGS = {name: value for name, value in vars(tags).items() if name.isupper()}


@pytest.mark.parametrize(
    "name", ["PatientID", "patientid", "00100020", "0010,0020", "(0010,0020)", "(0010, 0020)"]
)
def test_tag_is_found_by_keyword_and_by_number(name: str) -> None:
    assert tag_of(name) == tags.PATIENT_ID


def test_unknown_keyword_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(InvalidQuery, match="PatientName"):
        tag_of("PatientNme")


@pytest.mark.parametrize("name", ["", "0010", "0010002", "zzzzzzzz", "0010-0020"])
def test_what_is_neither_keyword_nor_number_is_refused(name: str) -> None:
    with pytest.raises(InvalidQuery):
        tag_of(name)


@pytest.mark.parametrize(("name", "tag"), _TAGS.items())
def test_constants_are_called_what_the_standard_calls_them(name: str, tag: int) -> None:
    assert keyword_of(tag).upper() == name.replace("_", "")


def test_keywords_lead_back_to_their_tags() -> None:
    for tag in vr_dictionary():
        keyword = keyword_of(tag)
        assert not keyword or tag_of(keyword) == tag


@pytest.mark.parametrize(
    ("tag", "vr"),
    [
        (tags.PATIENT_NAME, "PN"),
        (0x00280106, "US"),  # US or SS
        (tags.PIXEL_DATA, "OW"),  # OB or OW
        (0x60023000, "OW"),  # a repeating group
        (0x60020010, "US"),
        (0x00100000, "UL"),  # a group length
        (0x00090010, "LO"),  # a private creator
        (0x00091001, "UN"),
        (0x00100FFF, "UN"),
    ],
)
def test_vr_is_that_of_the_dictionary(tag: int, vr: str) -> None:
    assert vr_of(tag) == vr


def test_vr_of_the_header_goes_before_that_of_the_dictionary() -> None:
    header = Header({0x00280106: "-5"}, {0x00280106: "SS"})
    assert vr_of(0x00280106, header) == "SS"
    assert vr_of(0x00280107, header) == "US"


def test_every_vr_of_the_dictionary_is_one_of_the_standard() -> None:
    assert set(vr_dictionary().values()) <= VRS


def test_unknown_tags_do_not_stay_in_the_dictionary() -> None:
    size = len(vr_dictionary())
    assert vr_of(0x00991001) == "UN"
    assert len(vr_dictionary()) == size


def test_smallest_pixel_value_is_signed_or_unsigned() -> None:
    assert 0x00280106 in signed_or_unsigned()
    assert tags.ROWS not in signed_or_unsigned()


def test_keyword_of_a_repeating_group_is_known() -> None:
    assert keyword_of(0x60020010) == "OverlayRows"
    assert keyword_of(0x00091001) == ""


@pytest.mark.parametrize(
    ("tag", "level"),
    [
        (tags.PATIENT_BIRTH_DATE, Level.PATIENT),
        (tags.PATIENT_AGE, Level.STUDY),
        (tags.MODALITIES_IN_STUDY, Level.STUDY),
        (tags.MODALITY, Level.SERIES),
        (tags.ROWS, Level.IMAGE),
        (0x00180050, Level.IMAGE),
        (0x00091001, Level.IMAGE),
    ],
)
def test_attribute_belongs_to_its_level(tag: int, level: Level) -> None:
    assert level_of(tag) is level


def test_levels_share_no_attribute_and_name_only_known_ones() -> None:
    for one, other in combinations(Level, 2):
        assert not LEVEL_ATTRIBUTES[one] & LEVEL_ATTRIBUTES[other]
    for level in Level:
        assert all(dictionary_has_tag(tag) for tag in LEVEL_ATTRIBUTES[level])


def test_keys_and_computed_attributes_stand_at_their_level() -> None:
    for level in Level:
        assert level_of(UNIQUE_KEY[level]) is level
        assert COMPUTED[level] <= LEVEL_ATTRIBUTES[level]

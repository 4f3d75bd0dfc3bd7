"""From identifiers to queries (PS3.4 sections C.2.2.2, C.4.1 and C.4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.attribute import tag_of, vr_of
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.errors import InvalidQuery
from pacs.query.criterion import WILDCARD_VRS
from pacs.query.identifier import Model, Negotiated, query_from_identifier, retrieve_query
from pacs.query.match import matcher
from pacs.query.tree import (
    And,
    DateTimeRange,
    Equals,
    Everything,
    Key,
    Node,
    Not,
    OneOf,
    Or,
    PersonName,
    Present,
    Query,
    Range,
    Sequence,
    Wildcard,
)

NOTHING = Negotiated()
ZONES = Negotiated(timezone=True)
COMBINED = Negotiated(combined_datetime=True)


def identifier(level: str = "STUDY", /, **keys: Value) -> Header:
    values: dict[int, Value] = {tag_of(keyword): value for keyword, value in keys.items()}
    if level:
        values[tags.QUERY_RETRIEVE_LEVEL] = level
    return Header(dict(sorted(values.items())))


def ask(held: Header, options: Negotiated = NOTHING, model: Model = Model.PATIENT_ROOT) -> Query:
    return query_from_identifier(held, model=model, options=options)


def where(options: Negotiated = NOTHING, /, **keys: Value) -> Node:
    return ask(identifier(**keys), options).where


def path(keyword: str) -> tuple[int]:
    return (tag_of(keyword),)


NAME, ID, DATE, TIME = path("PatientName"), path("PatientID"), path("StudyDate"), path("StudyTime")
POINT, NAMES = path("AcquisitionDateTime"), path("OtherPatientNames")


@pytest.mark.parametrize(
    ("keyword", "value", "node"),
    [
        ("PatientID", "", Everything()),
        ("PatientID", "*", Everything()),
        ("PatientID", "  ", Everything()),
        ("StudyInstanceUID", "*", Everything()),
        ("StudyDate", "-", Everything()),
        ("PatientID", "A1", Equals(ID, "LO", "A1")),
        ("PatientID", " A1 ", Equals(ID, "LO", "A1")),
        ("PatientID", "A*", Wildcard(ID, "LO", "A*")),
        ("PatientID", "A?", Wildcard(ID, "LO", "A?")),
        ("PatientID", "A1\\B1", OneOf(ID, "LO", ("A1", "B1"))),
        ("PatientID", "A*\\B1", Or((Wildcard(ID, "LO", "A*"), Equals(ID, "LO", "B1")))),
        ("PatientID", "A*\\*", Everything()),
        ("PatientComments", "a\\b", Equals(path("PatientComments"), "LT", "a\\b")),
        ("StudyInstanceUID", "1.2", Equals(path("StudyInstanceUID"), "UI", "1.2")),
        ("StudyInstanceUID", "1.2\\1.3", OneOf(path("StudyInstanceUID"), "UI", ("1.2", "1.3"))),
        ("StudyInstanceUID", "1.2*", Equals(path("StudyInstanceUID"), "UI", "1.2*")),
        ("ModalitiesInStudy", "CT\\MR", OneOf(path("ModalitiesInStudy"), "CS", ("CT", "MR"))),
        ("SeriesNumber", "1*", Equals(path("SeriesNumber"), "IS", "1*")),
        ("StudyDate", "20200101", Equals(DATE, "DA", "20200101")),
        ("StudyDate", "2020*", Equals(DATE, "DA", "2020*")),
        ("StudyDate", "20200101-20200131", Range(DATE, "DA", "20200101", "20200131")),
        ("StudyDate", "20200101 - 20200131", Range(DATE, "DA", "20200101", "20200131")),
        ("StudyDate", "20200101-", Range(DATE, "DA", "20200101", None)),
        ("StudyDate", "-20200101", Range(DATE, "DA", None, "20200101")),
        ("StudyTime", "1000-1800", Range(TIME, "TM", "1000", "1800")),
        ("AcquisitionDateTime", "2020-2021", Range(POINT, "DT", "2020", "2021")),
        ("AcquisitionDateTime", "20200101-", Range(POINT, "DT", "20200101", None)),
        ("AcquisitionDateTime", "20200101+0100", Equals(POINT, "DT", "20200101+0100")),
        ("AcquisitionDateTime", "20200101-0500", Equals(POINT, "DT", "20200101-0500")),
        ("AcquisitionDateTime", "-20200101-0500", Range(POINT, "DT", None, "20200101-0500")),
        ("AcquisitionDateTime", "20200101-0500-", Range(POINT, "DT", "20200101-0500", None)),
        (
            "AcquisitionDateTime",
            "20200101-0500-20200102-0500",
            Range(POINT, "DT", "20200101-0500", "20200102-0500"),
        ),
        ("PatientName", "DOE^J*", PersonName(NAME, "DOE^J*")),
        ("PatientName", "DOE^*", Or((PersonName(NAME, "DOE^*"), PersonName(NAME, "DOE")))),
        ("PatientName", "*^*", Everything()),
        ("OtherPatientNames", "A\\B", Or((PersonName(NAMES, "A"), PersonName(NAMES, "B")))),
        ("SpecificCharacterSet", "ISO_IR 192", Everything()),
        ("RetrieveAETitle", "OTHER", Everything()),
        ("InstanceAvailability", "OFFLINE", Everything()),
        ("TimezoneOffsetFromUTC", "+0100", Equals(path("TimezoneOffsetFromUTC"), "SH", "+0100")),
        ("PatientID", '""', Equals(ID, "LO", '""')),
    ],
)  # fmt: skip
def test_a_key_is_matched_by_its_vr_and_value(keyword: str, value: str, node: Node) -> None:
    assert where(**{keyword: value}) == node


def test_several_keys_must_all_match() -> None:
    assert where(PatientID="A", StudyDate="20200101", StudyTime="") == And(
        (Equals(DATE, "DA", "20200101"), Equals(ID, "LO", "A"))
    )


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "2020-01-31"),
        ("StudyDate", "yesterday-"),
        ("StudyTime", "10-25"),
        ("AcquisitionDateTime", "noon-night"),
    ],
)
def test_a_range_of_what_is_no_date_is_refused(keyword: str, value: str) -> None:
    with pytest.raises(InvalidQuery) as caught:
        where(**{keyword: value})
    assert keyword in str(caught.value)
    assert len(str(caught.value)) <= 64
    assert value not in str(caught.value)


def test_fuzzy_names_are_asked_for_when_negotiated() -> None:
    assert where(Negotiated(fuzzy=True), PatientName="DOE") == PersonName(NAME, "DOE", fuzzy=True)


def test_two_quotation_marks_ask_for_no_value_when_negotiated() -> None:
    assert where(Negotiated(empty_value=True), PatientID='""') == Not(Present(ID))


@pytest.mark.parametrize(
    ("date", "time", "node"),
    [
        ("20060705-20060707", "1000-1800", DateTimeRange(DATE, TIME, "200607051000", "200607071800")),
        ("20060705-", "10:00-", DateTimeRange(DATE, TIME, "200607051000", None)),
        ("-20060707", "-1800", DateTimeRange(DATE, TIME, None, "200607071800")),
        ("20060705-", "-1800", And((Range(DATE, "DA", "20060705", None), Range(TIME, "TM", None, "1800")))),
        ("20060705", "1000-1800", And((Equals(DATE, "DA", "20060705"), Range(TIME, "TM", "1000", "1800")))),
        ("20060705-20060707", "", Range(DATE, "DA", "20060705", "20060707")),
        ("", "1000-1800", Range(TIME, "TM", "1000", "1800")),
    ],
)
def test_ranges_of_date_and_time_combine_when_negotiated(date: str, time: str, node: Node) -> None:
    assert where(COMBINED, StudyDate=date, StudyTime=time) == node


def test_ranges_of_date_and_time_do_not_combine_unless_negotiated() -> None:
    assert where(StudyDate="20060705-20060707", StudyTime="1000-1800") == And(
        (Range(DATE, "DA", "20060705", "20060707"), Range(TIME, "TM", "1000", "1800"))
    )


@pytest.mark.parametrize(
    ("date", "time"),
    [
        ("SeriesDate", "SeriesTime"),
        ("PatientBirthDate", "PatientBirthTime"),
        ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
        ("InstanceCreationDate", "InstanceCreationTime"),
        ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
    ],
)
def test_every_date_finds_its_time(date: str, time: str) -> None:
    assert isinstance(where(COMBINED, **{date: "20200101-20200102", time: "10-11"}), DateTimeRange)


def test_times_take_the_zone_of_the_query_when_negotiated() -> None:
    zone = {"TimezoneOffsetFromUTC": "+0100"}
    assert where(ZONES, StudyTime="10", **zone) == Equals(TIME, "TM", "10+0100")
    assert where(ZONES, StudyDate="20200101", **zone) == Equals(DATE, "DA", "20200101")
    assert where(ZONES, AcquisitionDateTime="2020-", **zone) == Range(POINT, "DT", "2020+0100", None)
    assert where(ZONES, AcquisitionDateTime="2020+0000", **zone) == Equals(POINT, "DT", "2020+0000")
    assert where(ZONES, StudyDate="20200101", StudyTime="10", **zone) == And(
        (DateTimeRange(DATE, TIME, "20200101+0100", "20200101+0100"), Equals(TIME, "TM", "10+0100"))
    )
    both = Negotiated(timezone=True, combined_datetime=True)
    assert where(both, StudyDate="20200101-", StudyTime="10-", **zone) == DateTimeRange(
        DATE, TIME, "2020010110+0100", None
    )


def test_an_offset_that_is_none_is_refused_when_negotiated() -> None:
    with pytest.raises(InvalidQuery, match="TimezoneOffsetFromUTC"):
        where(ZONES, TimezoneOffsetFromUTC="CET")


def test_a_sequence_key_asks_for_an_item() -> None:
    step = Header({tags.SCHEDULED_PROCEDURE_STEP_ID: "A", tags.REQUESTED_PROCEDURE_ID: ""})
    held = identifier(RequestAttributesSequence=(step,))
    assert ask(held).where == Sequence(
        path("RequestAttributesSequence"), Equals((tags.SCHEDULED_PROCEDURE_STEP_ID,), "SH", "A")
    )
    key = next(key for key in ask(held).keys if key.tag == tags.REQUEST_ATTRIBUTES_SEQUENCE)
    assert [child.tag for child in key.children] == [
        tags.SCHEDULED_PROCEDURE_STEP_ID,
        tags.REQUESTED_PROCEDURE_ID,
    ]


@pytest.mark.parametrize("items", [(), (Header(),), (Header({tags.REQUESTED_PROCEDURE_ID: ""}),)])
def test_a_sequence_key_without_values_matches_all(items: tuple[Header, ...]) -> None:
    assert where(RequestAttributesSequence=items) == Everything()


def test_a_sequence_key_of_two_items_is_refused() -> None:
    with pytest.raises(InvalidQuery, match="more than one item"):
        where(RequestAttributesSequence=(Header(), Header()))


def test_private_keys_are_found_in_whatever_block_their_creator_has() -> None:
    held = Header(
        {tags.QUERY_RETRIEVE_LEVEL: "STUDY", 0x00090010: "ACME", 0x00091001: "x"}, {0x00091001: "LO"}
    )
    query = ask(held)
    test = matcher(query.where)
    assert test(Header({0x00090010: "ACME", 0x00091001: "x"}))
    assert test(Header({0x00090010: "OTHER", 0x00090012: "ACME", 0x00091201: "x"}))
    assert not test(Header({0x00090010: "OTHER", 0x00091001: "x"}))
    assert not test(Header({0x00090010: "ACME", 0x00091001: "y"}))
    assert Key(0x00091001, "LO", creator="ACME") in query.keys
    assert Key(0x00090010, "LO", creator="ACME") in query.keys


def test_a_private_key_without_a_creator_is_found_at_its_own_tag() -> None:
    held = Header({tags.QUERY_RETRIEVE_LEVEL: "STUDY", 0x00091001: "x*"})
    assert ask(held).where == Wildcard((0x00091001,), "UN", "x*")


def test_a_private_creator_alone_is_a_key_itself() -> None:
    test = matcher(ask(Header({tags.QUERY_RETRIEVE_LEVEL: "STUDY", 0x00090010: "ACME"})).where)
    assert test(Header({0x00090011: "ACME"}))
    assert not test(Header({0x00090011: "OTHER"}))


@pytest.mark.parametrize(
    ("level", "model", "words"),
    [
        ("", Model.PATIENT_ROOT, "missing"),
        ("INSTANCE", Model.PATIENT_ROOT, "not PATIENT, STUDY, SERIES or IMAGE"),
        ("PATIENT", Model.STUDY_ROOT, "Study Root has no PATIENT level"),
        ("SERIES", Model.PATIENT_STUDY_ONLY, "no SERIES level"),
    ],
)
def test_a_level_that_the_model_has_not_is_refused(level: str, model: Model, words: str) -> None:
    held = identifier(level, StudyInstanceUID="1.2")
    with pytest.raises(InvalidQuery, match=words) as found:
        ask(held, model=model)
    with pytest.raises(InvalidQuery, match=words) as retrieved:
        retrieve_query(held, model)
    assert max(len(str(caught.value)) for caught in (found, retrieved)) <= 64


@pytest.mark.parametrize("model", list(Model))
def test_every_level_of_a_model_can_be_asked(model: Model) -> None:
    assert [ask(identifier(level.name), model=model).level for level in model.levels] == list(model.levels)


def test_a_series_query_without_a_study_is_answered() -> None:
    assert ask(identifier("SERIES", Modality="CT")).where == Equals(path("Modality"), "CS", "CT")


def test_keys_are_in_order_of_tags_and_without_the_character_set() -> None:
    held = identifier(SpecificCharacterSet="ISO_IR 100", StudyInstanceUID="", PatientName="A*")
    held.values[0x00100000] = "12"
    assert ask(held).keys == (
        Key(tags.QUERY_RETRIEVE_LEVEL, "CS"),
        Key(tags.RETRIEVE_AE_TITLE, "AE"),
        Key(tags.PATIENT_NAME, "PN"),
        Key(tags.STUDY_INSTANCE_UID, "UI"),
    )


STUDY, SERIES, INSTANCE = (path(f"{name}InstanceUID") for name in ("Study", "Series", "SOP"))


@pytest.mark.parametrize(
    ("held", "node"),
    [
        (identifier("PATIENT", PatientID="A"), Equals(ID, "LO", "A")),
        (identifier("STUDY", StudyInstanceUID="1.2"), Equals(STUDY, "UI", "1.2")),
        (identifier("STUDY", StudyInstanceUID="1.2\\1.3"), OneOf(STUDY, "UI", ("1.2", "1.3"))),
        (
            identifier("STUDY", PatientID="A", StudyInstanceUID="1.2", PatientName="ignored"),
            And((Equals(ID, "LO", "A"), Equals(STUDY, "UI", "1.2"))),
        ),
        (identifier("SERIES", SeriesInstanceUID="1.3"), Equals(SERIES, "UI", "1.3")),
        (
            identifier("IMAGE", StudyInstanceUID="1.2", SOPInstanceUID="1.4\\1.5"),
            And((Equals(STUDY, "UI", "1.2"), OneOf(INSTANCE, "UI", ("1.4", "1.5")))),
        ),
        (
            identifier("STUDY", StudyInstanceUID="1.2", SeriesInstanceUID="1.3"),
            And((Equals(STUDY, "UI", "1.2"), Equals(SERIES, "UI", "1.3"))),
        ),
    ],
)
def test_a_retrieve_selects_instances_by_unique_keys(held: Header, node: Node) -> None:
    assert retrieve_query(held, Model.PATIENT_ROOT) == Query(Level.IMAGE, node)


@pytest.mark.parametrize(
    "held",
    [
        identifier("STUDY"),
        identifier("STUDY", StudyInstanceUID=""),
        identifier("STUDY", StudyInstanceUID="*"),
        identifier("STUDY", StudyInstanceUID="1.2.*"),
        identifier("PATIENT", PatientID="SECRET*"),
        identifier("PATIENT", PatientID="SECRET\\B"),
        identifier("SERIES", StudyInstanceUID="1.2"),
        identifier("IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3"),
    ],
)
def test_a_retrieve_without_its_unique_key_is_refused(held: Header) -> None:
    with pytest.raises(InvalidQuery) as caught:
        retrieve_query(held, Model.PATIENT_ROOT)
    assert len(str(caught.value)) <= 64
    assert "SECRET" not in str(caught.value)


OPTIONS = st.builds(Negotiated, *[st.booleans()] * 5)
TEXT_KEYWORDS = (
    "PatientID",
    "PatientName",
    "Modality",
    "StudyDescription",
    "PatientComments",
    "StationAETitle",
)
VALUES = st.text("aBc 1é*?", min_size=1, max_size=10).filter(lambda text: text.strip())


@given(st.sampled_from(TEXT_KEYWORDS), VALUES, OPTIONS)
def test_an_entity_whose_attribute_equals_the_key_matches(
    keyword: str, value: str, options: Negotiated
) -> None:
    assert vr_of(tag_of(keyword)) in WILDCARD_VRS
    assert matcher(where(options, **{keyword: value}))(Header({tag_of(keyword): value}))


@given(st.sampled_from(TEXT_KEYWORDS), VALUES, st.integers(0, 10))
def test_an_asterisk_after_any_prefix_matches(keyword: str, value: str, length: int) -> None:
    prefix = value.strip()[:length] + "*"
    assert matcher(where(**{keyword: prefix}))(Header({tag_of(keyword): value.strip()}))


ANY_TEXT = st.text('0123456789-+.:*?\\ aB^="', max_size=24)
ANY_KEYWORD = (
    "StudyDate",
    "StudyTime",
    "AcquisitionDateTime",
    "Rows",
    "SliceThickness",
    "PatientName",
    "Modality",
)


@given(st.dictionaries(st.sampled_from(ANY_KEYWORD), ANY_TEXT), OPTIONS, ANY_TEXT, ANY_TEXT)
def test_any_key_gives_a_query_or_is_refused(
    keys: dict[str, str], options: Negotiated, held: str, zone: str
) -> None:
    try:
        query = ask(identifier(**keys, TimezoneOffsetFromUTC=zone), options)
    except InvalidQuery:
        return
    matcher(query.where)(Header({tag_of(keyword): held for keyword in ANY_KEYWORD}))

"""What each node of the query tree means (PS3.4 section C.2.2.2)."""

from __future__ import annotations

import datetime
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header, Value
from pacs.query.match import matcher
from pacs.query.tree import (
    And,
    DateTimeRange,
    Equals,
    Everything,
    Node,
    Not,
    OneOf,
    Or,
    PersonName,
    Present,
    Range,
    Sequence,
    Wildcard,
    Words,
)

PATIENT_ID = (tags.PATIENT_ID,)
NAME = (tags.PATIENT_NAME,)
DATE = (tags.STUDY_DATE,)
TIME = (tags.STUDY_TIME,)
DATE_TIME = (tags.ACQUISITION_DATE_TIME,)
DESCRIPTION = (tags.STUDY_DESCRIPTION,)
ROWS = (tags.ROWS,)
THICKNESS = (0x00180050,)
IMAGE_TYPE = (tags.IMAGE_TYPE,)
COMMENTS = (tags.PATIENT_COMMENTS,)
STEP_ID = (tags.REQUEST_ATTRIBUTES_SEQUENCE, tags.SCHEDULED_PROCEDURE_STEP_ID)
ZONE = tags.TIMEZONE_OFFSET_FROM_UTC


def header(*pairs: tuple[int, Value]) -> Header:
    return Header(dict(sorted(dict(pairs).items())))


def matches(node: Node, *pairs: tuple[int, Value]) -> bool:
    return matcher(node)(header(*pairs))


TABLE: list[tuple[Node, tuple[int, Value], bool]] = [
    (Equals(PATIENT_ID, "LO", "A1"), (PATIENT_ID[0], "A1"), True),
    (Equals(PATIENT_ID, "LO", "A1"), (PATIENT_ID[0], "a1"), False),
    (Equals(PATIENT_ID, "LO", "A1"), (PATIENT_ID[0], " A1 "), True),
    (Equals(PATIENT_ID, "LO", "A1"), (PATIENT_ID[0], "A12"), False),
    (Equals(PATIENT_ID, "LO", "A1"), (PATIENT_ID[0], ""), False),
    (Equals(PATIENT_ID, "LO", "a1", fold=True), (PATIENT_ID[0], "A1"), True),
    (Equals(IMAGE_TYPE, "CS", "AXIAL"), (IMAGE_TYPE[0], "ORIGINAL\\PRIMARY\\AXIAL"), True),
    (Equals(COMMENTS, "LT", "b"), (COMMENTS[0], "a\\b"), False),
    (Equals(COMMENTS, "LT", "a\\b"), (COMMENTS[0], "a\\b  "), True),
    (Equals(COMMENTS, "LT", " a"), (COMMENTS[0], " a"), True),
    (Equals(ROWS, "US", "512"), (ROWS[0], "512"), True),
    (Equals(ROWS, "US", "+512"), (ROWS[0], "512"), True),
    (Equals(THICKNESS, "DS", "5"), (THICKNESS[0], "5.0"), True),
    (Equals(THICKNESS, "DS", "5"), (THICKNESS[0], "0.5E1"), True),
    (Equals(THICKNESS, "DS", "5"), (THICKNESS[0], "5.01"), False),
    (Equals(THICKNESS, "DS", "thick"), (THICKNESS[0], "5"), False),
    (Equals((tags.SERIES_NUMBER,), "IS", "5"), (tags.SERIES_NUMBER, "+5"), True),
    (Equals(DATE, "DA", "20200131"), (DATE[0], "20200131"), True),
    (Equals(DATE, "DA", "20200131"), (DATE[0], "2020.01.31"), True),
    (Equals(DATE, "DA", "20200131"), (DATE[0], "20200130"), False),
    (Equals(DATE, "DA", "2020*"), (DATE[0], "20200131"), False),
    (Equals(TIME, "TM", "2230"), (TIME[0], "223000"), True),
    (Equals(TIME, "TM", "2230"), (TIME[0], "223045.5"), True),
    (Equals(TIME, "TM", "2230"), (TIME[0], "2231"), False),
    (Equals(TIME, "TM", "223000"), (TIME[0], "22:30:00"), True),
    (Equals(DATE_TIME, "DT", "19980128103000"), (DATE_TIME[0], "19980128103000.0000"), True),
    (Equals(DATE_TIME, "DT", "19980128103000+0000"), (DATE_TIME[0], "19980128073000-0300"), True),
    (Equals(DATE_TIME, "DT", "19980128103000+0000"), (DATE_TIME[0], "19980128103000-0300"), False),
    (Equals((tags.FRAME_OF_REFERENCE_UID,), "UI", "1.2"), (tags.FRAME_OF_REFERENCE_UID, "1.2"), True),
    (Equals((0x00280009,), "AT", "0018106a"), (0x00280009, "0018106A"), True),
    (OneOf((tags.STUDY_INSTANCE_UID,), "UI", ("1.2", "1.3")), (tags.STUDY_INSTANCE_UID, "1.3"), True),
    (OneOf((tags.STUDY_INSTANCE_UID,), "UI", ("1.2", "1.3")), (tags.STUDY_INSTANCE_UID, "1.4"), False),
    (OneOf((tags.MODALITIES_IN_STUDY,), "CS", ("CT", "MR")), (tags.MODALITIES_IN_STUDY, "PT\\MR"), True),
    (OneOf(ROWS, "US", ("256", "+512")), (ROWS[0], "512"), True),
    (OneOf(DATE, "DA", ("20200101", "20200103")), (DATE[0], "20200103"), True),
    (OneOf(DATE_TIME, "DT", ("20200101", "20200103")), (DATE_TIME[0], "20200103101010"), True),
    (OneOf(PATIENT_ID, "LO", ("a", "b"), fold=True), (PATIENT_ID[0], "B"), True),
    (Wildcard(PATIENT_ID, "LO", "A*"), (PATIENT_ID[0], "A1"), True),
    (Wildcard(PATIENT_ID, "LO", "a*"), (PATIENT_ID[0], "A1"), False),
    (Wildcard(PATIENT_ID, "LO", "a*", fold=True), (PATIENT_ID[0], "A1"), True),
    (Wildcard(IMAGE_TYPE, "CS", "PRIM*"), (IMAGE_TYPE[0], "ORIGINAL\\PRIMARY"), True),
    (Wildcard(IMAGE_TYPE, "CS", "ORIG*PRIM*"), (IMAGE_TYPE[0], "ORIGINAL\\PRIMARY"), False),
    (Wildcard(COMMENTS, "LT", "a*\\c"), (COMMENTS[0], "a\nb\\c"), True),
    (PersonName(NAME, "doe*"), (NAME[0], "DOE^JOHN"), True),
    (PersonName((tags.OTHER_PATIENT_NAMES,), "doe*"), (tags.OTHER_PATIENT_NAMES, "A^B\\DOE^J"), True),
    (Range(DATE, "DA", "20200101", "20200131"), (DATE[0], "20200101"), True),
    (Range(DATE, "DA", "20200101", "20200131"), (DATE[0], "20200131"), True),
    (Range(DATE, "DA", "20200101", "20200131"), (DATE[0], "20200201"), False),
    (Range(DATE, "DA", "20200101", None), (DATE[0], "20991231"), True),
    (Range(DATE, "DA", None, "20200101"), (DATE[0], "19000101"), True),
    (Range(DATE, "DA", None, "20200101"), (DATE[0], "20200102"), False),
    (Range(DATE, "DA", None, "20200101"), (DATE[0], "unknown"), False),
    (Range(DATE, "DA", "never", None), (DATE[0], "20200101"), False),
    (Range(DATE, "DA", "20200101", "20200131", beyond_low=True), (DATE[0], "20200101"), False),
    (Range(DATE, "DA", "20200101", "20200131", before_high=True), (DATE[0], "20200131"), False),
    (Range(DATE, "DA", "20200101", "20200131", True, True), (DATE[0], "20200130"), True),
    (Range(TIME, "TM", "1000", "1800"), (TIME[0], "180059.9"), True),
    (Range(TIME, "TM", "1000", "1800"), (TIME[0], "1801"), False),
    (Range(TIME, "TM", "1000", "1800"), (TIME[0], "095959"), False),
    (Range(DATE_TIME, "DT", "2020", "2021"), (DATE_TIME[0], "20211231235959"), True),
    (Range(DATE_TIME, "DT", "20200101+0000", None), (DATE_TIME[0], "20191231233000-0100"), True),
    (Range(DATE_TIME, "DT", "20200101+0000", None), (DATE_TIME[0], "20200101003000+0100"), False),
    (Range(DATE_TIME, "DT", "20200101", None, beyond_low=True), (DATE_TIME[0], "20200101"), False),
    (Range(DATE_TIME, "DT", None, "20200101", before_high=True), (DATE_TIME[0], "20200101"), False),
    (Range(DATE_TIME, "DT", "x", None), (DATE_TIME[0], "2020"), False),
    (Range(THICKNESS, "DS", "1", "5"), (THICKNESS[0], "5.0"), True),
    (Range(THICKNESS, "DS", "1", "5", before_high=True), (THICKNESS[0], "5.0"), False),
    (Range(THICKNESS, "DS", "9", "10"), (THICKNESS[0], "9.5"), True),
    (Range(THICKNESS, "DS", None, "10"), (THICKNESS[0], "-1e3"), True),
    (Range(PATIENT_ID, "LO", "a", "b"), (PATIENT_ID[0], "AZ"), True),
    (Range(PATIENT_ID, "LO", "a", "b"), (PATIENT_ID[0], "C"), False),
    (Present(PATIENT_ID), (PATIENT_ID[0], "x"), True),
    (Present(PATIENT_ID), (PATIENT_ID[0], "  "), False),
    (Present(PATIENT_ID), (NAME[0], "x"), False),
    (Present((STEP_ID[0],)), (STEP_ID[0], (Header(),)), True),
    (Present((STEP_ID[0],)), (STEP_ID[0], ()), False),
    (Words(("abdomen",)), (DESCRIPTION[0], "CT ABDOMEN"), True),
    (Words(("abdomen",), NAME), (DESCRIPTION[0], "CT ABDOMEN"), False),
    (Words(("abdomen",), DESCRIPTION), (DESCRIPTION[0], "CT ABDOMEN"), True),
    (Everything(), (NAME[0], "x"), True),
    (Equals(PATIENT_ID, "LO", "x"), (PATIENT_ID[0], (Header(),)), False),
]


@pytest.mark.parametrize(("node", "pair", "expected"), TABLE)
def test_a_node_matches_as_the_standard_says(node: Node, pair: tuple[int, Value], expected: bool) -> None:
    assert matches(node, pair) is expected
    assert matches(Not(node), pair) is not expected


def item(value: str, date: str = "") -> Header:
    return header((tags.SCHEDULED_PROCEDURE_STEP_ID, value), (0x00400002, date))


def test_a_sequence_matches_when_one_item_matches_all_keys() -> None:
    asked = Sequence(
        STEP_ID[:1],
        And((Equals(STEP_ID[1:], "SH", "A"), Range((0x00400002,), "DA", "20200101", None))),
    )
    assert matches(asked, (STEP_ID[0], (item("B"), item("A", "20200505"))))
    assert not matches(asked, (STEP_ID[0], (item("B", "20200505"), item("A", "20190101"))))
    assert not matches(asked, (STEP_ID[0], ()))


def test_a_path_goes_through_every_item() -> None:
    held = (STEP_ID[0], (item("B"), item("A")))
    assert matches(Equals(STEP_ID, "SH", "A"), held)
    assert matches(Present(STEP_ID), held)
    assert matches(Words(("a",)), held)
    assert matches(Words(("a",), STEP_ID[:1]), held)
    assert not matches(Equals(STEP_ID, "SH", "C"), held)


def test_date_and_time_match_as_one_point() -> None:
    asked = DateTimeRange(DATE, TIME, "200607051000", "200607071800")
    assert matches(asked, (DATE[0], "20060705"), (TIME[0], "100000"))
    assert matches(asked, (DATE[0], "20060706"), (TIME[0], "030000"))
    assert not matches(asked, (DATE[0], "20060705"), (TIME[0], "095959"))
    assert not matches(asked, (DATE[0], "20060707"), (TIME[0], "180100"))
    assert matches(asked, (DATE[0], "20060705"))
    assert not matches(asked, (TIME[0], "1200"))


def test_stored_times_are_moved_into_the_zone_of_the_key() -> None:
    asked = DateTimeRange(DATE, TIME, "20060705+0000", "20060705+0000")
    assert matches(asked, (ZONE, "+0200"), (DATE[0], "20060706"), (TIME[0], "013000"))
    assert not matches(asked, (ZONE, "+0200"), (DATE[0], "20060705"), (TIME[0], "013000"))
    assert matches(asked, (DATE[0], "20060705"), (TIME[0], "013000"))

    assert matches(Equals(TIME, "TM", "0800+0000"), (ZONE, "+0200"), (TIME[0], "100030"))
    assert not matches(Equals(TIME, "TM", "1000+0000"), (ZONE, "+0200"), (TIME[0], "100030"))
    assert matches(Range(TIME, "TM", "2200+0000", None), (ZONE, "+0200"), (TIME[0], "003000"))
    assert matches(Range(TIME, "TM", None, "0100+0000"), (ZONE, "-0200"), (TIME[0], "223000"))
    assert not matches(Range(TIME, "TM", None, "0100+0000"), (ZONE, "-0200"), (TIME[0], "2330"))

    local = Equals(DATE_TIME, "DT", "20200101100000+0000")
    assert matches(local, (ZONE, "+0100"), (DATE_TIME[0], "20200101110000"))


def test_the_zone_of_the_data_set_holds_inside_items() -> None:
    inner = header((0x00404005, "20200101110000"))
    asked = Sequence((STEP_ID[0],), Equals((0x00404005,), "DT", "20200101100000+0000"))
    assert matches(asked, (ZONE, "+0100"), (STEP_ID[0], (inner,)))
    assert not matches(asked, (ZONE, "+0200"), (STEP_ID[0], (inner,)))


LEAVES: list[Node] = [node for node, _, _ in TABLE]
HEADERS = st.lists(st.sampled_from([pair for _, pair, _ in TABLE]), max_size=6).map(lambda p: header(*p))
NODES: st.SearchStrategy[Node] = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda children: And(tuple(children))),
        st.lists(inner, min_size=1, max_size=3).map(lambda children: Or(tuple(children))),
    ),
    max_leaves=8,
)


@given(NODES, NODES, HEADERS)
def test_de_morgan_holds(first: Node, second: Node, held: Header) -> None:
    assert matcher(Not(And((first, second))))(held) == matcher(Or((Not(first), Not(second))))(held)
    assert matcher(Not(Or((first, second))))(held) == matcher(And((Not(first), Not(second))))(held)
    assert matcher(Not(Not(first)))(held) == matcher(first)(held)
    assert matcher(And((first, second)))(held) == (matcher(first)(held) and matcher(second)(held))


@given(st.text("abcXYZ 019_.-", min_size=1, max_size=16).filter(lambda text: text.strip()))
def test_a_value_equal_to_its_key_matches(value: str) -> None:
    for vr in ("LO", "SH", "CS", "AE", "UC"):
        assert matches(Equals(PATIENT_ID, vr, value.strip()), (PATIENT_ID[0], value))


@given(st.dates(), st.dates(), st.dates())
def test_a_date_range_holds_the_dates_between(
    first: datetime.date, second: datetime.date, third: datetime.date
) -> None:
    low, middle, high = (f"{day.year:04}{day:%m%d}" for day in sorted((first, second, third)))
    assert matches(Range(DATE, "DA", low, high), (DATE[0], middle))
    assert matches(Range(DATE, "DA", low, None), (DATE[0], middle))
    assert matches(Range(DATE, "DA", None, high), (DATE[0], middle))
    assert matches(Range(DATE, "DA", middle, middle), (DATE[0], low)) == (low == middle)
    assert matches(DateTimeRange(DATE, TIME, low, high), (DATE[0], middle))


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_compare_by_value(whole: int, real: float) -> None:
    assert matches(Equals(THICKNESS, "DS", repr(real)), (THICKNESS[0], repr(real)))
    assert matches(Range(THICKNESS, "DS", str(whole), None), (THICKNESS[0], repr(real))) == (real >= whole)


def test_a_candidate_costs_little() -> None:
    held = [
        header((tags.PATIENT_NAME, f"DOE{n}^JOHN"), (tags.STUDY_DATE, "20200101"), (tags.PATIENT_ID, "x"))
        for n in range(10_000)
    ]
    test = matcher(And((PersonName(NAME, "DOE*"), Range(DATE, "DA", "20190101", "20201231"))))
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        assert all(map(test, held))
        seconds.append(time.perf_counter() - begun)
    # Under 1 us on a quiet machine; the bound leaves room for a busy one.
    assert min(seconds) / len(held) < 10e-6

"""The text language."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.errors import InvalidQuery
from pacs.query.match import matcher
from pacs.query.text import parse_text
from pacs.query.tree import (
    And,
    Equals,
    Everything,
    Node,
    Not,
    Or,
    PersonName,
    Present,
    Range,
    Wildcard,
    Words,
)

NAME, MODALITY, DATE = (tags.PATIENT_NAME,), (tags.MODALITY,), (tags.STUDY_DATE,)
DESCRIPTION, THICKNESS, POINT = (tags.STUDY_DESCRIPTION,), (0x00180050,), (tags.ACQUISITION_DATE_TIME,)
STEP_ID = (tags.REQUEST_ATTRIBUTES_SEQUENCE, tags.SCHEDULED_PROCEDURE_STEP_ID)
UID, TYPE = (tags.STUDY_INSTANCE_UID,), (tags.IMAGE_TYPE,)
A, B, C = (Words((letter,)) for letter in "abc")
CT, MR = (Equals(MODALITY, "CS", modality, fold=True) for modality in ("CT", "MR"))


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("*", Everything()),
        ("*:*", Everything()),
        ("a", A),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a && b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a || b", Or((A, B))),
        ("a b OR c", Or((And((A, B)), C))),
        ("a (b OR c)", And((A, Or((B, C))))),
        ("NOT a b", And((Not(A), B))),
        ("-a !b", And((Not(A), Not(B)))),
        ("+a -b", And((A, Not(B)))),
        ("NOT (a OR b)", Not(Or((A, B)))),
        ("and or not", And((Words(("and",)), Words(("or",)), Words(("not",))))),
        ('"A b"', Words(("a", "b"))),
        ('"a* b"', Words(("a", "b"))),
        ("DOE^JO*N", Words(("doe", "jo*n"))),
        ("T2-weighted", Words(("t2", "weighted"))),
        ("1.2.840.1", Words(("1.2.840.1",))),
        ("10:30", Words(("10", "30"))),
        ("Müller", Words(("muller",))),
        ("山田", Words(("山田",))),
        ("a\\*", A),
        ("a\\ b", Words(("a", "b"))),
        ("\\AND", Words(("and",))),
        ("http\\://x", Words(("http", "x"))),
        ("PatientName:DOE*", Words(("doe*",), NAME)),
        ("patientname:DOE", Words(("doe",), NAME)),
        ("0010,0010:DOE", Words(("doe",), NAME)),
        ("00100010:DOE", Words(("doe",), NAME)),
        ("(0010,0010):DOE", Words(("doe",), NAME)),
        ('PatientName:"DOE^JOHN"', Words(("doe", "john"), NAME)),
        ("PatientName: DOE", Words(("doe",), NAME)),
        ("PatientName:maier~", PersonName(NAME, "maier", fuzzy=True)),
        ("Modality:CT", CT),
        ("Modality:C?", Wildcard(MODALITY, "CS", "C?", fold=True)),
        ("Modality:C\\?", Equals(MODALITY, "CS", "C?", fold=True)),
        ('Modality:"C?"', Equals(MODALITY, "CS", "C?", fold=True)),
        ("Modality:(CT OR MR)", Or((CT, MR))),
        ("Modality:(CT -MR)", And((CT, Not(MR)))),
        ('Modality:""', Not(Present(MODALITY))),
        ("PatientName:DOE* AND Modality:CT", And((Words(("doe*",), NAME), CT))),
        ("StudyDescription:*", Present(DESCRIPTION)),
        ("StudyDescription:[* TO *]", Present(DESCRIPTION)),
        ('StudyDescription:"--"', Equals(DESCRIPTION, "LO", "--", fold=True)),
        ("StudyInstanceUID:1.2.*", Wildcard(UID, "UI", "1.2.*", fold=True)),
        ("RequestAttributesSequence.ScheduledProcedureStepID:A", Words(("a",), STEP_ID)),
        ("RequestAttributesSequence_ScheduledProcedureStepID:A", Words(("a",), STEP_ID)),
        ("00400275.00400009:A", Words(("a",), STEP_ID)),
        ("RequestAttributesSequence:*", Present(STEP_ID[:1])),
        ("RequestAttributesSequence:A", Words(("a",), STEP_ID[:1])),
        ("00091001:x", Words(("x",), (0x00091001,))),
        ("StudyDate:20200131", Equals(DATE, "DA", "20200131")),
        ("StudyDate:2020-01-31", Equals(DATE, "DA", "20200131")),
        ("StudyDate:2020", Equals(DATE, "DA", "2020")),
        ("StudyDate:[20200101 TO 20200131]", Range(DATE, "DA", "20200101", "20200131")),
        ("StudyDate:[2020-01-01 to *]", Range(DATE, "DA", "20200101", None)),
        ("StudyDate:{20200101 TO 20200131}", Range(DATE, "DA", "20200101", "20200131", True, True)),
        ("StudyDate:{* TO 20200131]", Range(DATE, "DA", None, "20200131")),
        ('StudyDate:["2020-01-01" TO "2020-02-01"]', Range(DATE, "DA", "20200101", "20200201")),
        ("StudyTime:10:30", Equals((tags.STUDY_TIME,), "TM", "10:30")),
        ("AcquisitionDateTime:2020-01-31T10:30:15Z", Equals(POINT, "DT", "20200131103015+0000")),
        ("AcquisitionDateTime:[2020-01 TO *]", Range(POINT, "DT", "202001", None)),
        ("SliceThickness:2.5", Equals(THICKNESS, "DS", "2.5")),
        ("SliceThickness:-2", Equals(THICKNESS, "DS", "-2")),
        ("SliceThickness:[1 TO 5}", Range(THICKNESS, "DS", "1", "5", False, True)),
        ("SliceThickness:Float:[1 TO 5]", Range(THICKNESS, "DS", "1", "5")),
        ("SliceThickness:Numeric:[-1 TO 5]", Range(THICKNESS, "DS", "-1", "5")),
        ("PatientName:[a TO c]", Range(NAME, "PN", "a", "c")),
        ("(" * 40 + "a" + ")" * 40, A),
    ],
)
def test_a_text_means_its_tree(text: str, node: Node) -> None:
    assert parse_text(text) == node


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("(a", 1, "never closed"),
        ("a)", 2, "closes nothing"),
        ("a AND", 6, "missing at the end"),
        ("OR a", 1, "cannot stand here"),
        ("a AND OR b", 7, "cannot stand here"),
        ("()", 2, "cannot stand here"),
        ("NOT", 4, "missing at the end"),
        ("a PatentName:x", 3, "Did you mean PatientName"),
        ("Modality:", 10, "must follow the colon"),
        ("Modality:(CT", 10, "never closed"),
        ("Modality:(PatientName:x)", 11, "cannot stand here"),
        ("StudyDate:soon", 11, "StudyDate is of VR DA"),
        ("StudyDate:[soon TO *]", 11, "StudyDate is of VR DA"),
        ("Rows:many", 6, "Rows is a number"),
        ("Rows:[1 TO many]", 6, "Rows is a number"),
        ("Rows:[1 5]", 6, "no range"),
        ("[1 TO 5]", 1, "needs an attribute"),
        ("a ]", 3, "ends no range"),
        ('"a', 1, "no end"),
        ("a\\", 2, "nothing follows"),
        ("--", 2, "no letter or digit"),
        ("PatientName.Rows:1", 1, "no items"),
        ("PixelData:[a TO b]", 11, "no order"),
        ("RequestAttributesSequence:[a TO b]", 27, "no order"),
        ("NOT " * 60 + "a", 201, "50 levels"),
        ("(" * 60 + "a", 51, "50 levels"),
    ],
)
def test_a_fault_is_told_with_its_place(text: str, place: int, words: str) -> None:
    with pytest.raises(InvalidQuery, match=words) as caught:
        parse_text(text)
    assert f"At character {place}:" in str(caught.value)


def test_an_endless_text_is_refused() -> None:
    with pytest.raises(InvalidQuery, match="longer than"):
        parse_text("a " * 10_000)


PIECES = st.sampled_from(
    [
        *'()[]{}"\\*?~:-+! aé1\x00\u3000',
        "AND",
        "OR",
        "NOT",
        "TO",
        "2020",
        "[1 TO 5]",
        "PatientName:",
        "StudyDate:",
        "Rows:",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=20).map("".join)))
@example("-" * 9_000)
@example("(" * 9_000)
@example("a:" * 4_000)
def test_any_text_gives_a_tree_or_is_refused(text: str) -> None:
    try:
        node = parse_text(text)
    except InvalidQuery:
        return
    matcher(node)(Header({tags.PATIENT_NAME: "a", tags.STUDY_DATE: "20200101", tags.ROWS: "5"}))


HELD = Header(
    {
        TYPE[0]: "ORIGINAL\\PRIMARY",
        DATE[0]: "20200131",
        MODALITY[0]: "CT",
        DESCRIPTION[0]: "CT Abdomen with contrast",
        NAME[0]: "DOE^JOHN",
        THICKNESS[0]: "2.50",
        UID[0]: "1.2.840.10008.1",
        STEP_ID[0]: (Header({STEP_ID[1]: "STEP-1"}),),
    }
)


@pytest.mark.parametrize(
    "text",
    [
        "abdomen contrast",
        '"with contrast"',
        "doe",
        "PatientName:john",
        "patientname:DO*",
        "Modality:ct",
        "ImageType:primary",
        "SliceThickness:2.5",
        "SliceThickness:[2 TO 3]",
        "StudyDate:[2020-01-01 TO 2020-12-31]",
        "StudyDate:2020-01",
        "1.2.840.10008.1",
        "StudyInstanceUID:1.2.840*",
        "RequestAttributesSequence.ScheduledProcedureStepID:step-1",
        "step",
        "PatientName:dow~",
        "-Modality:MR",
    ],
)
def test_what_is_there_is_found(text: str) -> None:
    assert matcher(parse_text(text))(HELD)


@pytest.mark.parametrize(
    "text",
    [
        "thorax",
        '"abdomen contrast"',
        "PatientName:abdomen",
        "-Modality:CT",
        "SliceThickness:{2.5 TO 3]",
        "abdo",
    ],
)
def test_what_is_not_there_is_not_found(text: str) -> None:
    assert not matcher(parse_text(text))(HELD)


@given(st.text(max_size=30).filter(lambda text: text.strip()))
def test_escaping_makes_any_text_a_value(text: str) -> None:
    escaped = "".join(f"\\{character}" for character in text.strip())
    node = parse_text(f"Modality:{escaped}")
    if text.strip().strip(" "):
        assert node == Equals(MODALITY, "CS", text.strip().strip(" "), fold=True)

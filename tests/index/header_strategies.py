"""Random headers, and random queries about what they may hold (hypothesis strategies)."""

from __future__ import annotations

from hypothesis import strategies as st

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.query.tree import (
    And,
    DateTimeRange,
    Equals,
    Everything,
    Node,
    Not,
    OneOf,
    Or,
    Path,
    PersonName,
    Present,
    Range,
    Sequence,
    Wildcard,
    Words,
)
from pacs.query.word import word_patterns_of

PRIVATE = 0x00091010
SLICE_THICKNESS = 0x00180050
FRAME_INCREMENT_POINTER = 0x00280009

_VRS = {
    tags.PATIENT_NAME: "PN",
    tags.PATIENT_ID: "LO",
    tags.STUDY_DESCRIPTION: "LO",
    tags.PATIENT_COMMENTS: "LT",
    tags.IMAGE_TYPE: "CS",
    tags.STUDY_INSTANCE_UID: "UI",
    tags.STUDY_DATE: "DA",
    tags.STUDY_TIME: "TM",
    tags.ACQUISITION_DATE_TIME: "DT",
    tags.ROWS: "US",
    tags.SERIES_NUMBER: "IS",
    SLICE_THICKNESS: "DS",
    FRAME_INCREMENT_POINTER: "AT",
    PRIVATE: "LO",
    tags.SCHEDULED_PROCEDURE_STEP_ID: "SH",
    tags.SCHEDULED_PROCEDURE_STEP_DESCRIPTION: "LO",
}
_IN_ITEMS = (
    tags.SCHEDULED_PROCEDURE_STEP_ID,
    tags.SCHEDULED_PROCEDURE_STEP_DESCRIPTION,
    tags.PATIENT_NAME,
    tags.STUDY_DATE,
    tags.STUDY_TIME,
)

texts = st.one_of(
    st.sampled_from(
        [
            "CT", "ct", "Doe", "doe john", "DOE JOHN ", " a", "a.b", "A=B", "A^", "^", "Müller", "MULLER",
            "Straße", "strasse", "각", "가", "가\u11a8", "Ångström", "1.5", "01.50", "x*y", "[a]", "a+b",
            "a|b", "(", "\\", "a\\b",
            "a\\\\c", "é", "e\u0301", "K", "İ", "i", "ﬁ", "fi", "\u3000", "山田", "-", "~", "&", "#", "/",
            "w=", "x" * 70, "x" * 70 + "y", "~", "nan", "inf", "1_0", "0", "-0", "1e3", "1000",
        ]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.text("ab ^=.1é", max_size=5),
)  # fmt: skip
names = st.one_of(
    st.sampled_from(
        [
            "Doe^John", "DOE^JOHN^^", "doe^j", "Yamada^Tarou=山田^太郎=やまだ^たろう", "Doe^Jon", "Dow^John",
            "=山田^太郎",
            "Müller^Jörg", "DOE", "Doe ^ John", "O'Brien^Seán\\Doe^John", "John^Doe", "^John",
        ]
    ),
    st.text("dD oe^=山.", max_size=7),
)  # fmt: skip
dates = st.one_of(
    st.sampled_from(
        ["20200131", "20200201", "2020", "202001", "2020.01.31", "2020.02", "20191231", "00000101"]
    ),
    st.dates().map(lambda day: f"{day:%Y%m%d}".rjust(8, "0")),
)  # fmt: skip
times = st.sampled_from(["10", "1030", "103000.5", "10:30:00", "235959.999999", "00", "0959", "22", "2230"])
offsets = st.sampled_from(["", "", "+0100", "-1130", "+0000", "+9959", "-9959"])
date_times = st.builds(
    lambda date, time, offset: (
        date + (time if len(date) == 8 and date.isdigit() and ":" not in time else "") + offset
    ),
    dates,
    times,
    offsets,
)
numbers = st.sampled_from(
    ["0", "1", "01", "1.0", "1.50", "1.5", "-1", "+1", "1e2", "100", "512", " 1", "512\\256", "a"]
)
uids = st.sampled_from(["1.2.3", "1.2.30", "1.2", "1.2.3.4.5", "1." + "2" * 62, "1.2.3\\1.2"])
values_by_vr = {
    "PN": names, "DA": dates, "TM": times, "DT": date_times, "US": numbers, "IS": numbers, "DS": numbers,
    "UI": uids, "AT": st.sampled_from(["00280010", "0028001a", "0028001A"]),
}  # fmt: skip


def values_of(tag: int) -> st.SearchStrategy[str]:
    """Values of the attribute's VR, and now and then of any other."""
    usual = values_by_vr.get(_VRS[tag], texts)
    return st.one_of(
        usual, usual, usual, texts, st.just(""), st.builds(lambda a, b: f"{a}\\{b}", usual, usual)
    )


items = st.fixed_dictionaries({}, optional={tag: values_of(tag) for tag in _IN_ITEMS}).map(
    lambda values: Header(dict(sorted(values.items())))
)
sequences = st.lists(items, max_size=2).map(tuple)
offset_tags = st.sampled_from(["", "+0100", "-0500"])


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """A header of some of the attributes that queries ask about."""
    attributes = {tag: values_of(tag) for tag in _VRS}
    values = dict(draw(st.fixed_dictionaries({}, optional=attributes)))
    offset = draw(offset_tags)
    every = {**values, **({tags.TIMEZONE_OFFSET_FROM_UTC: offset} if offset else {})}
    full = Header(
        dict(every), {PRIVATE: draw(st.sampled_from(["LO", "DS", "PN", "UN"]))} if PRIVATE in every else {}
    )
    if draw(st.booleans()):
        full.values[tags.REQUEST_ATTRIBUTES_SEQUENCE] = draw(sequences)
    full.values = dict(sorted(full.values.items()))
    return full


wild = st.builds(
    lambda text, wildcard, place: text[:place] + wildcard + text[place:],
    st.one_of(texts, names),
    st.sampled_from(["*", "?", "*", "**"]),
    st.integers(0, 8),
)


def leaves(in_item: bool) -> st.SearchStrategy[Node]:
    """Nodes that ask about one attribute; of a header, or of an item of the sequence."""
    some = _IN_ITEMS if in_item else tuple(_VRS)
    return st.sampled_from(some).flatmap(lambda tag: _leaves_of(tag, in_item))


def _leaves_of(tag: int, in_item: bool) -> st.SearchStrategy[Node]:
    path: Path = (tag,)
    if not in_item and tag in _IN_ITEMS[:2]:
        path = (tags.REQUEST_ATTRIBUTES_SEQUENCE, tag)
    # What is asked for is not always of the VR that the header has.
    vrs = st.sampled_from([_VRS[tag]] * 8 + ["LO", "DS", "UN", "PN", "DA", "TM", "DT", "LT"])
    value = values_of(tag)
    end = st.one_of(st.none(), value)
    return st.one_of(
        st.builds(Equals, st.just(path), vrs, value, st.booleans()),
        st.builds(
            OneOf, st.just(path), vrs, st.lists(value, min_size=1, max_size=3).map(tuple), st.booleans()
        ),
        st.builds(Wildcard, st.just(path), vrs, wild, st.booleans()),
        st.builds(PersonName, st.just(path), st.one_of(names, wild), st.booleans()),
        st.builds(Range, st.just(path), vrs, end, end, st.booleans(), st.booleans()),
        st.builds(Present, st.just(path)),
        st.builds(
            Words,
            st.one_of(wild, texts, names).map(lambda text: tuple(word_patterns_of(text))),
            st.sampled_from([(), path]),
        ),
        st.builds(
            DateTimeRange,
            st.just((tags.STUDY_DATE,)),
            st.just((tags.STUDY_TIME,)),
            st.one_of(st.none(), date_times),
            st.one_of(st.none(), date_times),
        ),
    )


def _inner(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(children, max_size=3).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children))


queries: st.SearchStrategy[Node] = st.recursive(
    st.one_of(
        leaves(False),
        leaves(False),
        st.just(Everything()),
        st.builds(
            Sequence,
            st.just((tags.REQUEST_ATTRIBUTES_SEQUENCE,)),
            st.recursive(leaves(True), _inner, max_leaves=3),
        ),
        st.just(Present((tags.REQUEST_ATTRIBUTES_SEQUENCE,))),
    ),
    _inner,
    max_leaves=4,
)
"""Random query trees."""

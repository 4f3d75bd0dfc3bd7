"""Plans and terms: whatever the matcher takes, the plan admits, and little else."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.index import plan as plans
from pacs.index.terms import LONGEST, MOST_VALUES, Terms, normalise
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
from tests.index.header_strategies import headers, names, queries, texts

NAME = (tags.PATIENT_NAME,)
DATE = (tags.STUDY_DATE,)


def admits(plan: plans.Plan, terms: set[str]) -> bool:
    """What a plan means, said as plainly as can be."""
    match plan:
        case plans.All():
            return True
        case plans.Nothing():
            return False
        case plans.AnyTerm(wanted):
            return not terms.isdisjoint(wanted)
        case plans.Prefix(text):
            return any(term.startswith(text) for term in terms)
        case plans.Pattern(prefix, expression):
            fits = re.compile(plans.escape(prefix) + expression, re.DOTALL).fullmatch
            return any(fits(term) for term in terms)
        case plans.Both(children):
            return all(admits(child, terms) for child in children)
        case plans.Either(children):
            return any(admits(child, terms) for child in children)


def found(where: Node, header: Header) -> bool:
    return admits(plans.plan(where), Terms().of(header.values))


def header_of(**attributes: str) -> Header:
    return Header({getattr(tags, name.upper()): value for name, value in attributes.items()})


@settings(max_examples=500, deadline=None)
@given(headers(), queries)
def test_every_header_that_matches_is_admitted(header: Header, where: Node) -> None:
    if matcher(where)(header):
        assert found(where, header)


@pytest.mark.parametrize("stored", ["2020+0100", "202001-0500", "2020", "20200131+0100"])
def test_a_point_in_time_of_low_precision_is_found_with_its_offset(stored: str) -> None:
    header = Header({tags.ACQUISITION_DATE_TIME: stored})
    for value in ("2020013110", "202001311030+0100", "2020"):
        where = Equals((tags.ACQUISITION_DATE_TIME,), "DT", value)
        assert matcher(where)(header)
        assert found(where, header)


@settings(max_examples=300, deadline=None)
@given(texts, texts)
def test_the_normal_form_of_two_texts_in_a_row_is_that_of_each_in_a_row(first: str, second: str) -> None:
    if not (first + second).isascii():
        # What Unicode joins over the seam is the same letters, apart.
        assert normalise(first + second).startswith(normalise(first))
    else:
        assert normalise(first + second) == normalise(first) + normalise(second)


@settings(max_examples=300, deadline=None)
@given(headers())
def test_terms_hold_no_white_space_and_are_not_long(header: Header) -> None:
    for term in Terms().of(header.values):
        assert term.split() == [term]
        assert len(term.encode()) < 8 * 2 + 2 + 4 * LONGEST


@settings(max_examples=100, deadline=None)
@given(headers())
def test_terms_are_the_same_when_texts_are_remembered(header: Header) -> None:
    terms = Terms()
    assert terms.of(header.values) == terms.of(header.values) == Terms().of(header.values)


@pytest.mark.parametrize(
    ("where", "other"),
    [
        (PersonName(NAME, "DOE^JOHN"), header_of(patient_name="DOE^JANE")),
        (PersonName(NAME, "DOE*"), header_of(patient_name="ROE^DOE")),
        (PersonName(NAME, "*JOHN"), header_of(patient_name="DOE^JANE")),
        (PersonName(NAME, "Smith", fuzzy=True), header_of(patient_name="DOE^JANE")),
        (Equals((tags.STUDY_INSTANCE_UID,), "UI", "1.2.3"), header_of(study_instance_uid="1.2.30")),
        (OneOf((tags.STUDY_INSTANCE_UID,), "UI", ("1.2", "1.3")), header_of(study_instance_uid="1.2.3")),
        (Wildcard((tags.PATIENT_ID,), "LO", "A*9"), header_of(patient_id="A8")),
        (Equals(DATE, "DA", "20200131"), header_of(study_date="20200201")),
        (Range(DATE, "DA", "20200131", "20200301"), header_of(study_date="20200302")),
        (Range(DATE, "DA", "20200131", None), header_of(study_date="20200130")),
        (Range(DATE, "DA", None, "20200131"), header_of(study_date="20200201")),
        (Range((tags.STUDY_TIME,), "TM", "10", "11"), header_of(study_time="120000")),
        (DateTimeRange(DATE, (tags.STUDY_TIME,), "20200110", "20200120"), header_of(study_date="20200215")),
        (Words(("liver",)), header_of(study_description="Head without contrast")),
        (Words(("liv*",)), header_of(study_description="a relive")),
        (Present((tags.PATIENT_ID,)), header_of(patient_name="DOE")),
        (And((Everything(), PersonName(NAME, "DOE"))), header_of(patient_name="ROE")),
        (Or((PersonName(NAME, "A"), PersonName(NAME, "B"))), header_of(patient_name="C")),
        (Sequence((tags.REQUEST_ATTRIBUTES_SEQUENCE,), PersonName(NAME, "A")), header_of(patient_name="A")),
    ],
    ids=str,
)
def test_what_does_not_match_is_not_even_a_candidate(where: Node, other: Header) -> None:
    assert not matcher(where)(other)
    assert not found(where, other)


def test_not_is_answered_with_everything() -> None:
    assert plans.plan(Not(PersonName(NAME, "DOE"))) == plans.All()


def test_or_of_nothing_is_nothing() -> None:
    assert plans.plan(Or(())) == plans.Nothing()


@pytest.mark.parametrize("value", ["1.5", "007"])
def test_the_last_of_very_many_values_is_found(value: str) -> None:
    header = header_of(rows="\\".join([str(number) for number in range(MOST_VALUES + 10)] + [value]))
    assert found(Equals((tags.ROWS,), "DS", value), header)
    assert found(Words((value,)), header)


def test_very_many_values_make_few_terms() -> None:
    header = header_of(rows="\\".join(f"{number}.{number}" for number in range(100_000)))
    assert len(Terms().of(header.values)) < 5000


def test_items_without_number_make_few_terms_and_all_are_found() -> None:
    items = tuple(header_of(patient_id=f"P{number}") for number in range(3000))
    header = Header({tags.REQUEST_ATTRIBUTES_SEQUENCE: items})
    assert len(Terms().of(header.values)) < 3 * MOST_VALUES
    last = Equals((tags.PATIENT_ID,), "LO", "P2999")
    assert found(Sequence((tags.REQUEST_ATTRIBUTES_SEQUENCE,), last), header)
    assert found(Words(("p2999",)), header)


@given(names)
def test_a_name_is_found_by_its_beginning(name: str) -> None:
    where = PersonName(NAME, name[:3] + "*")
    header = header_of(patient_name=name)
    if matcher(where)(header):
        assert found(where, header)

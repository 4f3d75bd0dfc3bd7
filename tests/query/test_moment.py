"""Points in time as spans (PS3.5 section 6.2)."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.query.moment import Span, date_span, date_time_span, offset_minutes, shift, time_span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("20200131", Span("20200131", "20200131")),
        ("2020.01.31", Span("20200131", "20200131")),
        ("202001", Span("20200101", "20200131")),
        ("2020", Span("20200101", "20201231")),
        ("20201301", None),
        ("2020013", None),
        ("today", None),
        ("", None),
        ("2020-01-31", None),
    ],
)
def test_a_date_is_a_day_or_the_span_of_its_precision(text: str, span: Span | None) -> None:
    assert date_span(text) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("10", Span("100000000000", "105959999999")),
        ("1030", Span("103000000000", "103059999999")),
        ("10:30:15", Span("103015000000", "103015999999")),
        ("103015.5", Span("103015500000", "103015599999")),
        ("103015.123456", Span("103015123456", "103015123456")),
        ("235960", Span("235960000000", "235960999999")),
        ("2400", None),
        ("1060", None),
        ("103061", None),
        ("1", None),
    ],
)
def test_a_time_is_the_span_of_its_precision(text: str, span: Span | None) -> None:
    assert time_span(text) == span


@pytest.mark.parametrize(
    ("text", "start", "end", "offset"),
    [
        ("2020", "20200101000000000000", "20201231235959999999", None),
        ("202002", "20200201000000000000", "20200231235959999999", None),
        ("20200131103000", "20200131103000000000", "20200131103000999999", None),
        ("20200131103000.5+0130", "20200131103000500000", "20200131103000599999", 90),
        ("20200131-0500", "20200131000000000000", "20200131235959999999", -300),
    ],
)
def test_a_date_time_is_a_span_and_an_offset(text: str, start: str, end: str, offset: int | None) -> None:
    assert date_time_span(text) == (Span(start, end), offset)


@pytest.mark.parametrize("text", ["", "x", "20201301", "2020013125", "2020-01-31", "20200131+01", "20200132"])
def test_what_is_no_date_time_has_no_span(text: str) -> None:
    assert date_time_span(text) is None


@pytest.mark.parametrize(("text", "minutes"), [("+0100", 60), ("-0330", -210), ("0100", None), ("", None)])
def test_an_offset_is_minutes_east_of_utc(text: str, minutes: int | None) -> None:
    assert offset_minutes(text) == minutes


@given(st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1)), st.integers(-840, 840))
def test_shifting_moves_the_clock(point: datetime.datetime, minutes: int) -> None:
    digits = f"{point.year:04}{point:%m%d%H%M%S%f}"
    moved = point + datetime.timedelta(minutes=minutes)
    expected = f"{moved.year:04}{moved:%m%d%H%M%S%f}"
    assert shift(Span(digits, digits), minutes) == Span(expected, expected)


def test_shifting_a_month_keeps_its_length() -> None:
    february = date_time_span("202102")
    assert february is not None
    assert shift(february.span, 60) == Span("20210201010000000000", "20210301005959999999")


def test_shifting_leaves_what_is_at_the_end_of_the_calendar() -> None:
    last = Span("99991231235959999999", "99991231235959999999")
    assert shift(last, 60) == last


@given(st.text("0123456789.:+-", max_size=26))
def test_any_text_is_read_without_failing(text: str) -> None:
    for read in (date_span, time_span):
        span = read(text)
        assert span is None or span.start <= span.end
    date_time_span(text)

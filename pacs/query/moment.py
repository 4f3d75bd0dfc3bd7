"""Points in time of DA, TM and DT as spans of comparable text (PS3.5 section 6.2).

A value of limited precision stands for a span: the DA ``20200131`` for a day, the TM ``10`` for an hour.
Spans are pairs of digit strings of fixed length, so that comparing text compares time: 8 digits for a
date, 12 for a time of day (HHMMSSFFFFFF), 20 for both. The forms of ACR-NEMA (``2020.01.31``,
``10:30:00``) and, for people, those of ISO 8601 (``2020-01-31T10:30``) are read too.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})(?:(?:\.(\d\d)(?:\.(\d\d))?)|(\d\d)(\d\d)?)?")
_TIME = re.compile(r"(\d\d)(?::?([0-5]\d)(?::?(\d\d)(?:\.(\d{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])(\d\d):?([0-5]\d)")
_DATE_TIME = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:([0-5]\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?"
)
_FIRST = "00000101000000000000"
_LAST = "99991231235959999999"


class Span(NamedTuple):
    """From ``start`` to ``end``, both included: digits of equal length."""

    start: str
    end: str


class ZonedSpan(NamedTuple):
    """A span of 20 digits; ``offset`` its minutes east of UTC, None where the value does not tell."""

    span: Span
    offset: int | None


def date_span(text: str) -> Span | None:
    """The span of a DA value, in 8 digits; None where it is no date."""
    if len(text) == 8 and text.isascii() and text.isdigit():
        return Span(text, text) if "0101" <= text[4:] <= "1231" else None
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    digits = "".join(part for part in match.groups() if part)
    return Span(digits + _FIRST[len(digits) : 8], digits + _LAST[len(digits) : 8])


def time_span(text: str) -> Span | None:
    """The span of a TM value without an offset, in 12 digits; None where it is no time of day."""
    match = _TIME.fullmatch(text)
    if match is None or match[1] > "23" or (match[3] or "") > "60":
        return None
    digits = "".join(part for part in match.groups() if part)
    return Span(digits + _FIRST[8 + len(digits) :], digits + _LAST[8 + len(digits) :])


def date_time_span(text: str) -> ZonedSpan | None:
    """The span of a DT value in 20 digits, and its offset; None where it is no date and time."""
    match = _DATE_TIME.fullmatch(text)
    if match is None or (match[4] or "") > "23" or (match[6] or "") > "60":
        return None
    if not ("01" <= (match[2] or "01") <= "12" and "01" <= (match[3] or "01") <= "31"):
        return None
    digits = "".join(part for part in match.groups()[:7] if part)
    offset = None if match[8] is None else offset_minutes(match[8])
    return ZonedSpan(Span(digits + _FIRST[len(digits) :], digits + _LAST[len(digits) :]), offset)


def offset_minutes(text: str) -> int | None:
    """Minutes east of UTC of ``&ZZXX`` (PS3.3 section C.12.1.1.8); None where it is no such text."""
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes


def split_offset(text: str) -> tuple[str, int | None]:
    """A TM value of a query as the time itself and its offset (see ``tree.Equals``)."""
    if len(text) > 5 and text[-5] in "+-":
        return text[:-5], offset_minutes(text[-5:])
    return text, None


def shift(span: Span, minutes: int) -> Span:
    """A span of 20 digits moved by ``minutes``; unchanged where it would leave the calendar."""
    if not minutes:
        return span
    try:
        return Span(_shifted(span.start, minutes), _shifted(span.end, minutes))
    except (OverflowError, ValueError):
        return span


def _shifted(digits: str, minutes: int) -> str:
    if digits[12:14] == "60":
        digits = digits[:12] + "59999999"
    # The end of a span of a month or a year is its day 31, which few months have.
    day = digits[6:8]
    while True:
        try:
            point = datetime.strptime(digits[:6] + day + digits[8:], "%Y%m%d%H%M%S%f")
            break
        except ValueError:
            if day <= "28":
                raise
            day = str(int(day) - 1)
    point += timedelta(minutes=minutes)
    return f"{point:%Y%m%d%H%M%S%f}".rjust(20, "0")

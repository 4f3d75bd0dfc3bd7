"""Dates, times and date-times (DA, TM, DT; PS3.5 section 6.2) as spans that compare as strings.

A value of lower precision covers its whole span: the TM ``10`` is all from 100000.000000 to 105959.999999.
Nothing here raises; what is no date or time gives None.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

Span = tuple[str, str]
"""The first and the last moment, both of full precision and thus comparable as strings."""

_DATE = re.compile(r"(\d{4})(?:\.?(0[1-9]|1[0-2])(?:\.?(0[1-9]|[12]\d|3[01]))?)?")
_TIME = re.compile(r"([01]\d|2[0-3])(?::?([0-5]\d)(?::?([0-5]\d|60)(?:\.(\d{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)")
_DATE_TIME = re.compile(
    r"(\d{4})(?:(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01])"
    r"(?:([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"([+-](?:0\d|1[0-4])[0-5]\d)?"
)
_ONE_DATE_TIME = r"\d{4,14}(?:\.\d{1,6})?(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
_DATE_TIME_RANGE = re.compile(rf"({_ONE_DATE_TIME})?\s*-\s*({_ONE_DATE_TIME})?")
_DATE_RANGE = re.compile(r"([\d.]+)?\s*-\s*([\d.]+)?")
_TIME_RANGE = re.compile(r"([\d.:]+)?\s*-\s*([\d.:]+)?")


def span(vr: str, text: str, offset: int = 0) -> Span | None:
    """The span of a DA (``YYYYMMDD``), TM (``HHMMSS.FFFFFF``) or DT (``YYYYMMDDHHMMSS.FFFFFF``).

    DA may have the dots and TM the colons of older editions; DA of a year or a month count as such. A DT is
    given in UTC: by its own offset suffix, else by ``offset`` (minutes east, see ``offset_minutes``).
    None where ``text`` is no value of ``vr``, or not exactly one.
    """
    text = text.strip(" \0")
    if vr == "DA":
        return _date_span(text)
    if vr == "TM":
        return _time_span(text)
    if vr == "DT":
        return _date_time_span(text, offset)
    return None


def _date_span(text: str) -> Span | None:
    if len(text) == 8 and text.isascii() and text.isdigit() and "01" <= text[4:6] <= "12":
        return (text, text) if "01" <= text[6:] <= "31" else None
    match = _DATE.fullmatch(text)
    if not match or not text.isascii():
        return None
    year, month, day = match.groups()
    return f"{year}{month or '01'}{day or '01'}", f"{year}{month or '12'}{day or '31'}"


def _time_span(text: str) -> Span | None:
    match = _TIME.fullmatch(text)
    if not match or not text.isascii():
        return None
    hour, minute, second, fraction = match.groups()
    fraction = fraction or ""
    return (
        f"{hour}{minute or '00'}{second or '00'}.{fraction:0<6}",
        f"{hour}{minute or '59'}{second or '59'}.{fraction:9<6}",
    )


def _date_time_span(text: str, offset: int) -> Span | None:
    match = _DATE_TIME.fullmatch(text)
    if not match or not text.isascii():
        return None
    year, month, day, hour, minute, second, fraction, suffix = match.groups()
    fraction = fraction or ""
    low = f"{year}{month or '01'}{day or '01'}{hour or '00'}{minute or '00'}{second or '00'}.{fraction:0<6}"
    month = month or "12"
    day = day or _last_day(year, month)
    high = f"{year}{month}{day}{hour or '23'}{minute or '59'}{second or '59'}.{fraction:9<6}"
    minutes = offset_minutes(suffix) if suffix else offset
    return (_shifted(low, minutes), _shifted(high, minutes)) if minutes else (low, high)


def _last_day(year: str, month: str) -> str:
    if month == "02":
        number = int(year)
        return "29" if number % 4 == 0 and (number % 100 != 0 or number % 400 == 0) else "28"
    return "30" if month in ("04", "06", "09", "11") else "31"


def _shifted(moment: str, minutes: int | None) -> str:
    """``moment``, at ``minutes`` east of UTC, in UTC; unchanged where no such day exists."""
    try:
        utc = datetime.strptime(moment[:12], "%Y%m%d%H%M") - timedelta(minutes=minutes or 0)
    except (ValueError, OverflowError):
        return moment
    return f"{utc.year:04}{utc:%m%d%H%M}{moment[12:]}"


def offset_minutes(text: str) -> int | None:
    """Minutes east of UTC of a Timezone Offset From UTC (0008,0201), ``+0100``; None where it is none."""
    match = _OFFSET.fullmatch(text.strip(" \0"))
    if not match:
        return None
    minutes = int(match[2]) * 60 + int(match[3])
    return -minutes if match[1] == "-" else minutes


def combine(date: str, time: str) -> str | None:
    """The DT of a DA and a TM; None where the date is no whole date, or the time is no time.

    An empty time leaves the whole day.
    """
    day = _date_span(date.strip(" \0"))
    if day is None or day[0] != day[1]:
        return None
    time = time.strip(" \0").replace(":", "")
    if not time:
        return day[0]
    return day[0] + time if _time_span(time) is not None else None


def split_range(vr: str, text: str) -> tuple[str | None, str | None] | None:
    """The ends of a range ``a-b``, ``a-`` or ``-b`` (PS3.4 section C.2.2.2.5); None where it is no range.

    A DT may end in an offset like ``-0500``. Where that could also be the year at the other end of a range,
    it is the offset. The ends are not checked to be dates; ``span`` does that.
    """
    text = text.strip(" \0")
    if "-" not in text:
        return None
    if vr == "DT":
        match = None if _DATE_TIME.fullmatch(text) else _DATE_TIME_RANGE.fullmatch(text)
    elif vr in ("DA", "TM"):
        match = (_DATE_RANGE if vr == "DA" else _TIME_RANGE).fullmatch(text)
    else:
        return None
    if not match or (match[1] is None and match[2] is None):
        return None
    return match[1], match[2]

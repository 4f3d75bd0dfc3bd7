"""A date and its time as one point: combined date-time matching, and dates moved by a time zone.

PS3.4 sections C.2.2.2.5.4 and C.2.2.2.1.3. Which TM belongs to a DA follows from the keywords of PS3.6:
StudyDate and StudyTime, PerformedProcedureStepStartDate and PerformedProcedureStepStartTime.
"""

from __future__ import annotations

from functools import cache

from pacs.dicom.attribute import keyword_of, tag_of, vr_of
from pacs.errors import InvalidQuery
from pacs.query.criterion import Ends, any_of, criterion, range_ends, values_of
from pacs.query.model import Negotiated
from pacs.query.moment import date_span
from pacs.query.tree import And, DateTimeRange, Everything, Node, Path


@cache
def time_of_date(tag: int) -> int:
    """The tag of the TM that belongs to the DA ``tag``; 0 where PS3.6 has none."""
    keyword = keyword_of(tag)
    if "Date" not in keyword:
        return 0
    try:
        time = tag_of("Time".join(keyword.rsplit("Date", 1)))
    except InvalidQuery:
        return 0
    return time if vr_of(time) == "TM" else 0


def date_and_time(
    date: Path, time: Path, date_text: str, time_text: str, options: Negotiated, offset: str
) -> Node:
    """What a DA key and its TM key ask together.

    As one range where combined matching was negotiated and both are ranges of the same form; else each by
    itself, in the zone ``offset`` where that is given.
    """
    if options.combined_datetime:
        days = _only_range(date[-1], "DA", date_text)
        hours = _only_range(time[-1], "TM", time_text)
        if days and hours and _form(days) == _form(hours):
            low, high = (_joined(day, hour, offset) for day, hour in zip(days, hours, strict=True))
            return DateTimeRange(date, time, low, high)
    by_date = criterion(date, "DA", date_text, options)
    if offset and not isinstance(by_date, Everything):
        by_date = any_of([_day(date, time, value, offset) for value in values_of("DA", date_text)])
    by_time = criterion(time, "TM", time_text, options, offset)
    if isinstance(by_date, Everything):
        return by_time
    return by_date if isinstance(by_time, Everything) else And((by_date, by_time))


def _only_range(tag: int, vr: str, text: str) -> Ends | None:
    values = values_of(vr, text)
    ends = range_ends(tag, vr, values[0]) if len(values) == 1 else None
    return None if ends == (None, None) else ends


def _form(ends: Ends) -> tuple[bool, bool]:
    return ends[0] is None, ends[1] is None


def _joined(day: str | None, hour: str | None, offset: str) -> str | None:
    if day is None or hour is None:
        return None
    span = date_span(day)
    return f"{span.start if span else day}{hour.replace(':', '')}{offset}"


def _day(date: Path, time: Path, value: str, offset: str) -> Node:
    """The days of a key in its zone, into which the time may carry a stored date over midnight."""
    ends = range_ends(date[-1], "DA", value) or (value, value)
    if any(end is not None and date_span(end) is None for end in ends):
        return criterion(date, "DA", value, Negotiated())
    low, high = (_joined(end, "" if end else None, offset) for end in ends)
    return Everything() if low is None and high is None else DateTimeRange(date, time, low, high)

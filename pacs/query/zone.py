"""Checks of points in time that an offset from UTC bears upon: DT, date and time together, zoned TM.

PS3.4 section C.2.2.2.1.3 has dates and times compared by their meaning, and Timezone Offset From UTC
(0008,0201) tell the zone of values without an offset of their own. A stored value is moved into the zone
of the key where both tell theirs; where either does not, they are compared as they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.query.moment import (
    Span,
    ZonedSpan,
    date_span,
    date_time_span,
    offset_minutes,
    shift,
    split_offset,
    time_span,
)
from pacs.query.tree import Path

Check = Callable[[Header, Header], bool]

_WHOLE_DAY = Span("000000000000", "235959999999")
_SOME_DAY = "20000102"


def date_time_equals(path: Path, values: Iterable[str]) -> Check:
    """Single value matching of DT, for any of ``values``; one that is no DT is compared as text."""
    wanted = [(value, date_time_span(value)) for value in values]

    def check(header: Header, root: Header) -> bool:
        for text in _texts(header, path):
            given = date_time_span(text)
            for value, span in wanted:
                if text == value:
                    return True
                if given is not None and span is not None:
                    moved = _moved(given, span.offset, root)
                    if moved.end >= span.span.start and moved.start <= span.span.end:
                        return True
        return False

    return check


def date_time_range(
    path: Path, low: str | None, high: str | None, beyond_low: bool = False, before_high: bool = False
) -> Check:
    """Range matching of DT (C.2.2.2.5.3)."""
    within = _range(low, high, beyond_low, before_high)

    def check(header: Header, root: Header) -> bool:
        return any(
            given is not None and within(given, root) for given in map(date_time_span, _texts(header, path))
        )

    return check


def combined_check(date: Path, time: Path, low: str | None, high: str | None) -> Check:
    """Combined date-time matching (C.2.2.2.5.4): a date without a time is the whole day."""
    within = _range(low, high, False, False)
    date_tag, time_tag = date[-1], time[-1]

    def check(header: Header, root: Header) -> bool:
        for holder in _holders(header, date):
            times = holder.text(time_tag).split("\\")
            for place, text in enumerate(holder.text(date_tag).split("\\")):
                day = date_span(text.strip(" "))
                if day is None:
                    continue
                hour = time_span(times[place].strip(" ")) if place < len(times) else None
                hour = hour or _WHOLE_DAY
                if within(ZonedSpan(Span(day.start + hour.start, day.end + hour.end), None), root):
                    return True
        return False

    return check


def zoned_time_equals(path: Path, value: str) -> Check:
    """Single value matching of a TM whose key tells its offset."""
    return zoned_time_range(path, value, value)


def zoned_time_range(path: Path, low: str | None, high: str | None) -> Check:
    """Range matching of a TM whose key tells its offset, by the clock of the key (C.2.2.2.5.2)."""
    low_text, low_offset = split_offset(low) if low is not None else ("", None)
    high_text, high_offset = split_offset(high) if high is not None else ("", None)
    first = time_span(low_text) if low is not None else _WHOLE_DAY
    last = time_span(high_text) if high is not None else _WHOLE_DAY
    offset = low_offset if low_offset is not None else high_offset
    if first is None or last is None:
        return lambda header, root: False
    start, end = first.start, last.end

    def check(header: Header, root: Header) -> bool:
        for text in _texts(header, path):
            span = time_span(text)
            if span is None:
                continue
            moved = _moved(ZonedSpan(Span(_SOME_DAY + span.start, _SOME_DAY + span.end), None), offset, root)
            given = Span(moved.start[8:], moved.end[8:])
            if given.start <= given.end:
                if given.end >= start and given.start <= end:
                    return True
            elif given.start <= end or given.end >= start:
                # Moved over midnight: the end of one day and the beginning of another.
                return True
        return False

    return check


def _range(
    low: str | None, high: str | None, beyond_low: bool, before_high: bool
) -> Callable[[ZonedSpan, Header], bool]:
    first = date_time_span(low) if low is not None else None
    last = date_time_span(high) if high is not None else None
    if (low is not None and first is None) or (high is not None and last is None):
        return lambda given, root: False

    def within(given: ZonedSpan, root: Header) -> bool:
        if first is not None:
            moved = _moved(given, first.offset, root)
            if moved.start <= first.span.end if beyond_low else moved.end < first.span.start:
                return False
        if last is None:
            return True
        moved = _moved(given, last.offset, root)
        return moved.end < last.span.start if before_high else moved.start <= last.span.end

    return within


def _moved(given: ZonedSpan, offset: int | None, root: Header) -> Span:
    """The span as a clock at ``offset`` shows it."""
    if offset is None:
        return given.span
    own = given.offset
    if own is None:
        own = offset_minutes(root.text(tags.TIMEZONE_OFFSET_FROM_UTC).strip(" "))
    return given.span if own is None else shift(given.span, offset - own)


def _holders(header: Header, path: Path) -> Iterator[Header]:
    """The data set or items that hold the last tag of ``path``."""
    if len(path) == 1:
        yield header
    else:
        for item in header.items(path[0]):
            yield from _holders(item, path[1:])


def _texts(header: Header, path: Path) -> Iterator[str]:
    for holder in _holders(header, path):
        for text in holder.text(path[-1]).split("\\"):
            if text:
                yield text.strip(" ")

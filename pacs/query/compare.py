"""Tests of one stored value, by VR: single value, list and range matching (PS3.4 section C.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pacs.dicom.attribute import NUMBER_VRS
from pacs.query.moment import Span, date_span, time_span

Test = Callable[[str], bool]
"""Whether one value of an attribute, without padding, matches."""

Number = int | float


def number(text: str) -> Number | None:
    """The number that ``text`` spells; None where it spells none."""
    if "_" in text:
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def equals_test(vr: str, value: str, fold: bool) -> Test:
    """Single value matching of a VR other than DT and PN (C.2.2.2.1)."""
    if vr in NUMBER_VRS:
        wanted = number(value)
        if wanted is not None:
            return lambda text: text == value or number(text) == wanted
    elif vr in ("DA", "TM"):
        span = _span(vr, value)
        if span is not None:
            return _within(vr, value, span.start, span.end)
    elif vr == "AT" or fold:
        folded = value.casefold()
        return lambda text: text.casefold() == folded
    return value.__eq__


def one_of_test(vr: str, values: Iterable[str], fold: bool) -> Test:
    """Whether a value is among ``values``."""
    if vr in NUMBER_VRS or vr in ("DA", "TM"):
        tests = [equals_test(vr, value, fold) for value in values]
        return lambda text: any(test(text) for test in tests)
    if vr == "AT" or fold:
        folded = frozenset(value.casefold() for value in values)
        return lambda text: text.casefold() in folded
    return frozenset(values).__contains__


def range_test(
    vr: str, low: str | None, high: str | None, beyond_low: bool = False, before_high: bool = False
) -> Test:
    """Range matching of a VR other than DT (C.2.2.2.5). An end that is no value of its VR matches nothing."""
    if vr in NUMBER_VRS:
        return _number_range(low, high, beyond_low, before_high)
    if vr in ("DA", "TM"):
        first = _span(vr, low) if low is not None else None
        last = _span(vr, high) if high is not None else None
        if (low is not None and first is None) or (high is not None and last is None):
            return lambda text: False
        if not (beyond_low or before_high):
            return _within(vr, "", first.start if first else "", last.end if last else ":")
        return _strictly_within(vr, first, last, beyond_low, before_high)
    return _text_range(low, high, beyond_low, before_high)


def _span(vr: str, value: str) -> Span | None:
    return date_span(value) if vr == "DA" else time_span(value)


def _within(vr: str, literal: str, start: str, end: str) -> Test:
    """Whether the span of a value overlaps that from ``start`` to ``end``; ":" is after all digits."""

    def test(text: str) -> bool:
        if len(text) == 8 and vr == "DA" and text.isdigit():
            return start <= text <= end
        if text == literal:
            return True
        span = _span(vr, text)
        return span is not None and span.end >= start and span.start <= end

    return test


def _strictly_within(
    vr: str, first: Span | None, last: Span | None, beyond_low: bool, before_high: bool
) -> Test:
    def test(text: str) -> bool:
        span = _span(vr, text)
        if span is None:
            return False
        if first is not None and (span.start <= first.end if beyond_low else span.end < first.start):
            return False
        return last is None or (span.end < last.start if before_high else span.start <= last.end)

    return test


def _number_range(low: str | None, high: str | None, beyond_low: bool, before_high: bool) -> Test:
    least = number(low) if low is not None else None
    most = number(high) if high is not None else None
    if (low is not None and least is None) or (high is not None and most is None):
        return lambda text: False

    def test(text: str) -> bool:
        given = number(text)
        if given is None:
            return False
        if least is not None and (given <= least if beyond_low else given < least):
            return False
        return most is None or (given < most if before_high else given <= most)

    return test


def _text_range(low: str | None, high: str | None, beyond_low: bool, before_high: bool) -> Test:
    least = low.casefold() if low is not None else None
    most = high.casefold() if high is not None else None

    def test(text: str) -> bool:
        given = text.casefold()
        if least is not None and (given <= least if beyond_low else given < least):
            return False
        return most is None or (given < most if before_high else given <= most)

    return test

"""Plans: what an engine looks up for a query, made of terms (``terms.py``), in no engine's language. Pure.

A plan admits every header that the matcher takes, and as few others as terms can tell. Each rule below says
what it gives away. Nothing here may find less than the matcher takes: what terms cannot tell is ``All``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from pacs.dicom.attribute import NUMBER_VRS, vr_dictionary
from pacs.index.terms import LONGEST, WORD, normalise, path_text, spelt_number, term
from pacs.query import tree
from pacs.query.moment import date_span, date_time_span, split_offset, time_span
from pacs.query.name import name_words, sound
from pacs.query.wildcard import has_wildcard
from pacs.query.word import fold


@dataclass(frozen=True, slots=True)
class All:
    """Every entity."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No entity."""


@dataclass(frozen=True, slots=True)
class AnyTerm:
    """Entities that have one of ``terms``."""

    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Entities that have a term that begins with ``text``."""

    text: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """Entities that have a term that is ``prefix`` and then something that ``expression`` fits as a whole.

    ``expression`` holds but literals (those special in regular expressions after a backslash), ``.*``, digits
    in brackets, groups, ``|`` and ``?``: what every engine's regular expressions have.
    """

    prefix: str
    expression: str


@dataclass(frozen=True, slots=True)
class Both:
    """Entities that every child admits; two children or more."""

    children: tuple[Plan, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Entities that some child admits; two children or more."""

    children: tuple[Plan, ...]


Plan: TypeAlias = All | Nothing | AnyTerm | Prefix | Pattern | Both | Either

_DAYS_OF_OFFSETS = timedelta(days=10)
"""More than two offsets from UTC (&ZZXX has two digits of hours) can move a point in time."""

_PRECISIONS = (4, 6)
"""Digits of a date of limited precision: a year, a month."""

_OFFSET = r"|\+.*|-.*"
"""A further case of an expression: an offset from UTC (&ZZXX)."""

_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")


def plan(where: tree.Node) -> Plan:
    """What to look up for ``where``."""
    return _plan(where, ())


def _plan(where: tree.Node, outer: tree.Path) -> Plan:
    """``outer`` is the path of the sequence that ``where`` is asked of, one item of which must match."""
    match where:
        case tree.And():
            return _both([_plan(child, outer) for child in where.children])
        case tree.Or():
            return _either([_plan(child, outer) for child in where.children])
        case tree.Sequence():
            # Gives away that one item must have all.
            return _plan(where.child, outer + where.path)
        case tree.Equals():
            return _equal(path_text(outer + where.path), where.vr, (where.value,))
        case tree.OneOf():
            return _equal(path_text(outer + where.path), where.vr, where.values)
        case tree.Wildcard() | tree.PersonName():
            path = path_text(outer + where.path)
            fitting = _fitting(path, where.pattern)
            if isinstance(where, tree.PersonName) and where.fuzzy:
                return _either([fitting, _sounding(path, where)])
            return fitting
        case tree.Range():
            return _range(path_text(outer + where.path), where)
        case tree.DateTimeRange():
            return _days(path_text(outer + where.date), where.low, where.high)
        case tree.Present():
            return _present(path_text(outer + where.path))
        case tree.Words():
            # Gives away order, neighbourhood and the attribute.
            return _both([_word(word) for word in where.words])
        case tree.Everything() | tree.Not():
            # What a plan admits too much of, its opposite would miss.
            return All()


def _both(children: list[Plan]) -> Plan:
    kept = tuple(child for child in dict.fromkeys(children) if not isinstance(child, All))
    if any(isinstance(child, Nothing) for child in kept):
        return Nothing()
    if len(kept) < 2:
        return kept[0] if kept else All()
    return Both(kept)


def _either(children: list[Plan]) -> Plan:
    kept = tuple(child for child in dict.fromkeys(children) if not isinstance(child, Nothing))
    if any(isinstance(child, All) for child in kept):
        return All()
    if len(kept) < 2:
        return kept[0] if kept else Nothing()
    terms = tuple(term for child in kept if isinstance(child, AnyTerm) for term in child.terms)
    others = tuple(child for child in kept if not isinstance(child, AnyTerm))
    if not terms:
        return Either(others)
    merged = AnyTerm(tuple(dict.fromkeys(terms)))
    return Either((merged, *others)) if others else merged


def _present(path: str) -> Plan:
    """Gives away empty values: every value, and every sequence with an item, has terms that begin so."""
    return Prefix(path)


def _equal(path: str, vr: str, values: tuple[str, ...]) -> Plan:
    """Gives away case, accents and spaces of text; offsets and the finer precision of times."""
    terms = [f"{path}>"]
    others: list[Plan] = []
    for value in values:
        normal = normalise(value)
        if not normal:
            return All()
        terms.append(term(path, "=", normal))
        if vr in NUMBER_VRS:
            spelling = spelt_number(normal)
            if spelling is not None:
                terms.append(f"{path}={spelling}")
        elif vr == "DA":
            span = date_span(value)
            if span is not None and span.start == span.end:
                terms += [f"{path}={span.start[:precision]}" for precision in (4, 6, 8)]
            elif span is not None:
                others.append(_digits(path, span.start, span.end))
        elif vr == "TM":
            others.append(_hours(path, value, value))
        elif vr == "DT":
            others.append(_days(path, value, value))
    return _either([AnyTerm(tuple(dict.fromkeys(terms))), *others])


def _range(path: str, where: tree.Range) -> Plan:
    """Gives away the order of numbers and of text: no term tells it."""
    if where.vr == "DA":
        low = date_span(where.low) if where.low is not None else None
        high = date_span(where.high) if where.high is not None else None
        return _digits(path, low.start if low else "00000000", high.end if high else "99999999")
    if where.vr == "TM":
        return _hours(path, where.low, where.high)
    if where.vr == "DT":
        return _days(path, where.low, where.high)
    return _present(path)


def _hours(path: str, low: str | None, high: str | None) -> Plan:
    """Times of day by their hour. Where an offset may move them, all there are."""
    ends: list[str] = []
    for end, beyond in ((low, "00"), (high, "99")):
        if end is None:
            ends.append(beyond)
            continue
        time, offset = split_offset(end)
        span = time_span(time)
        if span is None or offset is not None:
            return _present(path)
        ends.append((span.end if beyond == "99" else span.start)[:2])
    return _digits(path, ends[0], ends[1])


def _days(path: str, low: str | None, high: str | None) -> Plan:
    """Dates and times by their day, and some days more for what offsets from UTC may be."""
    first, last = "00000000", "99999999"
    if low is not None:
        span = date_time_span(low)
        if span is None:
            return _present(path)
        first = _moved(span.span.start[:8], -_DAYS_OF_OFFSETS, first)
    if high is not None:
        span = date_time_span(high)
        if span is None:
            return _present(path)
        last = _moved(span.span.end[:8], _DAYS_OF_OFFSETS, last)
    return _digits(path, first, last, zoned=True)


def _moved(day: str, by: timedelta, otherwise: str) -> str:
    # The last day of a month may be given as its 31st, which few months have.
    year, month = int(day[:4]), int(day[4:6])
    try:
        point = datetime(year, month, 1) + timedelta(days=int(day[6:]) - 1) + by
    except (ValueError, OverflowError):
        return otherwise
    return f"{point.year:04}{point.month:02}{point.day:02}"


def _digits(path: str, low: str, high: str, zoned: bool = False) -> Plan:
    """Values whose first digits are between ``low`` and ``high``, or may be, as ``2020`` of a day in it.

    ``zoned`` values may end in an offset from UTC, whatever their precision (``2020+0100``).
    """
    if not (low + high).isascii():
        return _present(path)
    # A value of low precision may hold both ends, even where the range itself is empty.
    low, high = min(low, high), max(low, high)
    common = 0
    while common < len(low) and low[common] == high[common]:
        common += 1
    shorter = [f"{path}={low[:length]}" for length in _PRECISIONS if length < common]
    offsets = [Prefix(f"{text}{sign}") for text in shorter for sign in "+-"] if zoned else []
    otherwise = _OFFSET if zoned else ""
    expression = _or_end(_between(low[common:], high[common:], common, otherwise), common, otherwise)
    return _either(
        [
            AnyTerm((f"{path}>", *shorter)),
            *offsets,
            Pattern(f"{path}={low[:common]}", expression),
            Prefix(f"{path}~"),
        ]
    )


def _between(low: str, high: str, place: int, otherwise: str) -> str:
    """An expression for digits from ``place`` on that are between two of equal length, and what follows."""
    if not low or (set(low) == {"0"} and set(high) == {"9"}):
        return ".*"
    first, last = low[0], high[0]
    nines, noughts = "9" * (len(low) - 1), "0" * (len(low) - 1)
    if first == last:
        return first + _or_end(_between(low[1:], high[1:], place + 1, otherwise), place + 1, otherwise)
    parts = [first + _or_end(_between(low[1:], nines, place + 1, otherwise), place + 1, otherwise)]
    if int(last) - int(first) > 1:
        parts.append(f"[{int(first) + 1}-{int(last) - 1}].*")
    parts.append(last + _or_end(_between(noughts, high[1:], place + 1, otherwise), place + 1, otherwise))
    return f"({'|'.join(parts)})"


def _or_end(expression: str, place: int, otherwise: str) -> str:
    """``expression``, or the end of a value that is as precise as ``place`` digits, or ``otherwise``."""
    if place not in _PRECISIONS or expression == ".*":
        return expression
    return f"({expression}{otherwise})?"


def _fitting(path: str, pattern: str) -> Plan:
    """Gives away case, accents and spaces, and takes ``?`` for any run: folding changes lengths."""
    if not has_wildcard(pattern):
        normal = normalise(pattern)
        return AnyTerm((term(path, "=", normal), f"{path}>")) if normal else All()
    return _pattern(path, [normalise(part) for part in re.split(r"[*?]+", pattern)])


def _sounding(path: str, where: tree.PersonName) -> Plan:
    """Gives away words with wild cards, and that two words that sound alike may be one."""
    if vr_dictionary()[where.path[-1]] != "PN":
        return _present(path)
    words = [word for word in name_words(where.pattern) if not has_wildcard(word)]
    if not words:
        return _present(path)
    return _both([AnyTerm((term(path, "@", sound(word)), f"{path}>")) for word in words])


def _word(word: str) -> Plan:
    """Gives away that ``?`` is one character."""
    folded = fold(word)
    if not has_wildcard(folded):
        return AnyTerm((term(WORD, "=", folded), f"{WORD}>"))
    return _pattern(WORD, re.split(r"[*?]+", folded))


def _pattern(path: str, parts: list[str]) -> Plan:
    """Values that begin with the first part, end with the last, and hold the others in between."""
    if not any(parts):
        return All()
    first, *middle, last = parts
    overflow = AnyTerm((f"{path}>",))
    cut = Prefix(f"{path}~{first[:LONGEST]}")
    if len(first) > LONGEST:
        return _either([overflow, cut])
    if not any(middle) and not last:
        return _either([overflow, cut, Prefix(f"{path}={first}")])
    expression = "".join(f".*{escape(part)}" for part in middle if part) + ".*" + escape(last)
    return _either([overflow, cut, Pattern(f"{path}={first}", expression)])


def escape(text: str) -> str:
    """``text`` as a literal of an expression."""
    return _SPECIAL.sub(r"\\\1", text)

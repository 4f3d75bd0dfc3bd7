"""From the value of one key to the node that matches it (PS3.4 section C.2.2.2)."""

from __future__ import annotations

import re

from pacs.dicom.attribute import SINGLE_TEXT_VRS, TEMPORAL_VRS, keyword_of
from pacs.errors import InvalidQuery
from pacs.query.model import Negotiated
from pacs.query.moment import date_span, date_time_span, time_span
from pacs.query.tree import (
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
    Wildcard,
)
from pacs.query.wildcard import has_wildcard

WILDCARD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UN", "UR", "UT"})
"""VRs that wild card matching applies to (C.2.2.2.4), and UN, of which nothing is known."""

COMPONENTS = 15
"""Components that a person name has at most: five in each of three groups (PS3.5 section 6.2.1)."""

Ends = tuple[str | None, str | None]
"""The ends of a range; None is an open one."""


def criterion(path: Path, vr: str, text: str, options: Negotiated, offset: str = "") -> Node:
    """The node for a key's value; Everything where it matches all (C.2.2.2.3).

    ``offset`` (``&ZZXX``) is the zone that times of the key without one are in, where it is to be heeded.
    Raises InvalidQuery for a range whose ends are no values of ``vr``.
    """
    if options.empty_value and text.strip(" ") == '""':
        return Not(Present(path))
    values = values_of(vr, text)
    if not values or any(not value.strip("*") for value in values):
        return Everything()
    if vr == "PN":
        return any_of([_person_name(path, value, options.fuzzy) for value in values])
    if vr in TEMPORAL_VRS:
        return any_of([_temporal(path, vr, value, offset) for value in values])
    patterns: list[Node] = []
    if vr in WILDCARD_VRS:
        patterns = [Wildcard(path, vr, value) for value in values if has_wildcard(value)]
        values = [value for value in values if not has_wildcard(value)]
    if len(values) == 1:
        patterns.append(Equals(path, vr, values[0]))
    elif values:
        patterns.append(OneOf(path, vr, tuple(values)))
    return any_of(patterns)


def values_of(vr: str, text: str) -> list[str]:
    """The single values of a key, without padding and empty ones."""
    if vr in SINGLE_TEXT_VRS:
        # Leading spaces are part of narrative text (PS3.5 section 6.2).
        return [text.rstrip(" \0")] if text.strip(" \0") else []
    stripped = (part.strip(" \0") for part in text.split("\\"))
    return [part for part in stripped if part]


def any_of(nodes: list[Node]) -> Node:
    """``nodes`` joined by Or; Everything where one of them is."""
    if any(isinstance(node, Everything) for node in nodes):
        return Everything()
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def range_ends(tag: int, vr: str, value: str) -> Ends | None:
    """The ends of a key of DA, TM or DT; None where it is a single value.

    A hyphen before an offset from UTC is not that of a range: where a DT has several hyphens, the one
    counts that leaves a DT on both sides, in order. Raises InvalidQuery where none does.
    """
    if "-" not in value:
        return None
    if vr == "DT":
        return _date_time_ends(tag, value)
    if value.count("-") > 1:
        raise _no_range(tag, vr)
    low, high = (end.strip(" ") for end in value.split("-"))
    span = date_span if vr == "DA" else time_span
    if any(end and span(end) is None for end in (low, high)):
        raise _no_range(tag, vr)
    return low or None, high or None


def _date_time_ends(tag: int, value: str) -> Ends | None:
    for hyphen in (place for place, character in enumerate(value) if character == "-"):
        low, high = value[:hyphen].strip(" "), value[hyphen + 1 :].strip(" ")
        first, last = date_time_span(low), date_time_span(high)
        if (low and first is None) or (high and last is None):
            continue
        if first is not None and last is not None and first.span.start[:8] > last.span.end[:8]:
            continue
        return low or None, high or None
    if date_time_span(value) is not None:
        return None
    raise _no_range(tag, "DT")


def with_offset(vr: str, value: str, offset: str) -> str:
    """``value`` of TM or DT in the zone ``offset``, unless it tells its own."""
    return value if vr == "DA" or re.search(r"[+-]\d{4}$", value) else value + offset


def _temporal(path: Path, vr: str, value: str, offset: str) -> Node:
    ends = range_ends(path[-1], vr, value)
    if ends is None:
        return Equals(path, vr, with_offset(vr, value, offset))
    low, high = (end and with_offset(vr, end, offset) for end in ends)
    return Everything() if low is None and high is None else Range(path, vr, low, high)


def _person_name(path: Path, pattern: str, fuzzy: bool) -> Node:
    """A name; one that ends in "any component" is also looked for without that component."""
    patterns = [pattern]
    while pattern.endswith(("^*", "=*")) and len(patterns) < COMPONENTS:
        pattern = pattern[:-2]
        patterns.append(pattern)
    if not pattern.strip("*^= "):
        return Everything()
    return any_of([PersonName(path, one, fuzzy) for one in patterns])


def _no_range(tag: int, vr: str) -> InvalidQuery:
    name = keyword_of(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
    return InvalidQuery(f"{name} is no range a-b, a- or -b of {vr}")

"""The oracle: what each node of the query tree means for a header (PS3.4 section C.2.2.2).

``matcher`` turns a tree into one closure, so that a candidate costs a few dictionary look-ups. Every
candidate of every engine passes through it; engines only have to find enough of them.

Rules that hold for all nodes but ``Present`` and ``Not``: an absent or empty attribute does not match (a
key that is unknown here is not taken for a match, as C.2.2.1.2 would have it; no peer does, and every
date query would answer all studies without one). A value with several values matches when any of them
does (C.2.2.3), but for the VRs in which a backslash is text. Leading and trailing spaces do not count
(PS3.5 section 6.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pacs.dicom.attribute import SINGLE_TEXT_VRS
from pacs.dicom.header import Header, Value
from pacs.query.compare import Test, equals_test, one_of_test, range_test
from pacs.query.name import person_name_test
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
from pacs.query.wildcard import wildcard_test
from pacs.query.word_match import words_test
from pacs.query.zone import (
    combined_check,
    date_time_equals,
    date_time_range,
    zoned_time_equals,
    zoned_time_range,
)

Check = Callable[[Header, Header], bool]
"""Whether a header matches: the data set or item that paths start at, and the data set it stands in."""


def matcher(where: Node) -> Callable[[Header], bool]:
    """A test of headers that decides ``where``. It may be called from many threads."""
    check = _check(where)
    return lambda header: check(header, header)


def _check(node: Node) -> Check:
    match node:
        case Everything():
            return lambda header, root: True
        case And(children):
            return _all([_check(child) for child in children if not isinstance(child, Everything)])
        case Or(children):
            return _any([_check(child) for child in children])
        case Not(child):
            check = _check(child)
            return lambda header, root: not check(header, root)
        case Sequence(path, child):
            return _sequence(path, _check(child))
        case Present(path):
            return _at(path, _is_present)
        case Words(words, path):
            return _words(words, path)
        case DateTimeRange(date, time, low, high):
            return combined_check(date, time, low, high)
        case _:
            return _attribute(node)


def _attribute(node: Equals | OneOf | Wildcard | PersonName | Range) -> Check:
    match node:
        case PersonName(path, pattern, fuzzy):
            return _values("PN", path, person_name_test(pattern, fuzzy))
        case Wildcard(path, vr, pattern, fold):
            if not fold:
                return _values(vr, path, wildcard_test(pattern))
            fits = wildcard_test(pattern.casefold())
            return _values(vr, path, lambda text: fits(text.casefold()))
        case Equals(path, "DT", value):
            return date_time_equals(path, (value,))
        case OneOf(path, "DT", values):
            return date_time_equals(path, values)
        case Range(path, "DT", low, high, beyond_low, before_high):
            return date_time_range(path, low, high, beyond_low, before_high)
        case Equals(path, "TM", value) if _has_offset(value):
            return zoned_time_equals(path, value)
        case Range(path, "TM", low, high) if _has_offset(low) or _has_offset(high):
            return zoned_time_range(path, low, high)
        case Equals(path, vr, value, fold):
            return _values(vr, path, equals_test(vr, value, fold))
        case OneOf(path, vr, values, fold):
            return _values(vr, path, one_of_test(vr, values, fold))
        case Range(path, vr, low, high, beyond_low, before_high):
            return _values(vr, path, range_test(vr, low, high, beyond_low, before_high))


def _has_offset(value: str | None) -> bool:
    return value is not None and len(value) > 5 and value[-5] in "+-"


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda header, root: first(header, root) and second(header, root)

    def check_all(header: Header, root: Header) -> bool:
        for check in checks:  # noqa: SIM110  (a generator would double the cost)
            if not check(header, root):
                return False
        return True

    return check_all


def _any(checks: list[Check]) -> Check:
    def check_any(header: Header, root: Header) -> bool:
        for check in checks:  # noqa: SIM110  (a generator would double the cost)
            if check(header, root):
                return True
        return False

    return check_any


def _values(vr: str, path: Path, test: Test) -> Check:
    """Whether any value of the attribute passes ``test``."""
    if vr in SINGLE_TEXT_VRS:
        return _at(path, lambda value: type(value) is str and value != "" and test(value.rstrip(" ")))

    def test_values(value: Value) -> bool:
        if not value or type(value) is not str:
            return False
        if "\\" in value:
            return any(test(one.strip(" ")) for one in value.split("\\") if one)
        return test(value.strip(" "))

    if len(path) > 1:
        return _at(path, test_values)
    tag = path[0]

    def check(header: Header, root: Header) -> bool:
        value = header.values.get(tag)
        if not value or type(value) is not str:
            return False
        if "\\" in value:
            return any(test(one.strip(" ")) for one in value.split("\\") if one)
        return test(value.strip(" "))

    return check


def _at(path: Path, test: Callable[[Value], bool]) -> Check:
    """Whether the attribute at ``path``, in any item on the way, passes ``test``."""
    tag = path[0]
    if len(path) == 1:

        def check(header: Header, root: Header) -> bool:
            value = header.values.get(tag)
            return value is not None and test(value)

        return check
    below = _at(path[1:], test)
    return lambda header, root: any(below(item, root) for item in header.items(tag))


def _sequence(path: Path, child: Check) -> Check:
    tag = path[0]
    below = child if len(path) == 1 else _sequence(path[1:], child)
    return lambda header, root: any(below(item, root) for item in header.items(tag))


def _is_present(value: Value) -> bool:
    return bool(value.strip(" \\")) if isinstance(value, str) else bool(value)


def _words(words: tuple[str, ...], path: Path) -> Check:
    test = words_test(words)
    if path:
        return _at(path, lambda value: any(test(text) for text in texts_of(value)))
    return lambda header, root: any(
        test(text) for value in header.values.values() for text in texts_of(value)
    )


def texts_of(value: Value) -> Iterator[str]:
    """All text in a value, that of items included."""
    if isinstance(value, str):
        yield value
    else:
        for item in value:
            for inner in item.values.values():
                yield from texts_of(inner)

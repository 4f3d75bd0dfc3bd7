"""From a term of the text language to the node that it means, by the VR of its attribute."""

from __future__ import annotations

import re

from pacs.dicom.attribute import BULK_VRS, NUMBER_VRS, TEXT_VRS, keyword_of
from pacs.query.compare import number
from pacs.query.lexer import Kind, Token, fault, unescaped
from pacs.query.moment import date_span, date_time_span, time_span
from pacs.query.tree import Equals, Everything, Node, Not, Path, PersonName, Present, Range, Wildcard, Words
from pacs.query.wildcard import has_wildcard
from pacs.query.word import word_patterns_of, words_of

_EXAMPLES = {"DA": "20200131", "TM": "1030", "DT": "20200131103000"}
_ISO_DATE = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d))?")
_ISO_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d(?:\.\d{1,6})?))?)?)?)?(Z|[+-]\d\d:?\d\d)?"
)


def free_words(token: Token) -> Node:
    """A term without an attribute: its words, in any attribute."""
    if token.kind is Kind.TERM and token.text in ("*", "*:*"):
        return Everything()
    words = _words(token)
    if not words:
        raise fault(token.place, "there is no letter or digit to look for. Write a word.")
    return Words(words)


def value_node(path: Path, vr: str, token: Token) -> Node:
    """A value of the attribute at ``path``. Raises InvalidQuery where ``vr`` cannot have it."""
    if token.kind is Kind.TERM and not token.text.strip("*"):
        return Present(path)
    text = unescaped(token.text)
    if vr == "SQ":
        if not _words(token):
            raise fault(token.place, "there is no letter or digit to look for. Write a word.")
        return Words(_words(token), path)
    if vr == "PN" and token.kind is Kind.TERM and token.text.endswith("~") and text.strip("~"):
        return PersonName(path, text.rstrip("~"), fuzzy=True)
    if vr in TEXT_VRS or vr == "UN":
        words = _words(token)
        return Words(words, path) if words else Equals(path, vr, text.strip(" "), fold=True)
    value = _plain(vr, text.strip(" "))
    if vr in _EXAMPLES:
        _check(path, vr, value, token)
        return Equals(path, vr, value)
    if vr in NUMBER_VRS:
        _check(path, vr, value, token)
        return Equals(path, vr, value)
    if token.kind is Kind.TERM and has_wildcard(re.sub(r"\\.", "", token.text)):
        return Wildcard(path, vr, text, fold=True)
    if not value:
        return Not(Present(path))
    return Equals(path, vr, value, fold=True)


def range_node(path: Path, vr: str, token: Token) -> Node:
    """A range over the attribute at ``path``. Raises InvalidQuery where its ends are no values of ``vr``."""
    if vr == "SQ" or vr in BULK_VRS:
        raise fault(token.place, "this attribute has no order, so no range. Ask for one of its items.")
    low, high = _plain(vr, token.low), _plain(vr, token.high)
    for end in (low, high):
        if end:
            _check(path, vr, end, token)
    if not low and not high:
        return Present(path)
    return Range(
        path, vr, low or None, high or None, token.beyond_low and low != "", token.before_high and high != ""
    )


def _words(token: Token) -> tuple[str, ...]:
    """The words of a term; in a phrase, and after a backslash, ``*`` and ``?`` are no wild cards."""
    if token.kind is Kind.PHRASE:
        return tuple(words_of(unescaped(token.text)))
    # An escaped wild card separates words, as it does in stored values.
    return tuple(word_patterns_of(unescaped(re.sub(r"\\[*?]", " ", token.text))))


def _plain(vr: str, text: str) -> str:
    """``text`` in DICOM's own form, where it is a date or time of ISO 8601."""
    if vr == "DA":
        match = _ISO_DATE.fullmatch(text)
        return "".join(part or "" for part in match.groups()) if match else text
    if vr == "DT":
        match = _ISO_DATE_TIME.fullmatch(text)
        if match:
            *digits, zone = match.groups()
            offset = "+0000" if zone == "Z" else (zone or "").replace(":", "")
            return "".join(part or "" for part in digits) + offset
    return text


def _check(path: Path, vr: str, value: str, token: Token) -> None:
    """Raise InvalidQuery where ``value`` is none of ``vr``."""
    if vr in NUMBER_VRS:
        if number(value) is None:
            raise fault(token.place, f"{_name(path)} is a number. Write one, for example 5.")
        return
    spans = {"DA": date_span, "TM": time_span, "DT": date_time_span}
    if vr in spans and spans[vr](value) is None:
        raise fault(token.place, f"{_name(path)} is of VR {vr}. Write it as {_EXAMPLES[vr]}.")


def _name(path: Path) -> str:
    tag = path[-1]
    return keyword_of(tag) or f"{tag:08X}"

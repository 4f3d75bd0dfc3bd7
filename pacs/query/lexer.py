r"""The lexical form of the text language: a query cut into tokens with their positions.

A backslash makes any character an ordinary one; in a value it also keeps ``*`` and ``?`` from being wild
cards, which is why a term's text keeps its backslashes until ``unescaped``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pacs.errors import InvalidQuery

LONGEST = 10_000
"""Characters that a query may have."""


class Kind(Enum):
    """What a token is."""

    TERM = "a word"
    PHRASE = "a phrase"
    FIELD = "a field"
    OPEN = "("
    CLOSE = ")"
    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    PLUS = "+"
    RANGE = "a range"
    END = "the end"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a query, and the place of its first character counted from 1.

    ``text`` has no quotation marks, colon or brackets. ``low`` and ``high`` are the ends of a range,
    empty where open; ``beyond_low`` and ``before_high`` say that braces leave them out.
    """

    kind: Kind
    text: str
    place: int
    low: str = ""
    high: str = ""
    beyond_low: bool = False
    before_high: bool = False


_SPACE = re.compile(r"[\s\u3000]+")
_NAME = r"(?:[A-Za-z][A-Za-z0-9]*|\(?[0-9A-Fa-f]{4},? ?[0-9A-Fa-f]{4}\)?)"
_FIELD = re.compile(rf"{_NAME}(?:[._]{_NAME})*:")
_PHRASE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_END = r'"(?:[^"\\]|\\.)*"|(?:[^\s\]\}"\\]|\\.)+'
_RANGE = re.compile(rf"([\[{{])\s*({_END})\s+(?:TO|to)\s+({_END})\s*([\]}}])", re.DOTALL)
_TERM = re.compile(r'(?:[^\s\u3000()\[\]{}"\\]|\\.)+', re.DOTALL)
_OPERATORS = {"AND": Kind.AND, "&&": Kind.AND, "OR": Kind.OR, "||": Kind.OR, "NOT": Kind.NOT}
_SIGNS = {"+": Kind.PLUS, "-": Kind.NOT, "!": Kind.NOT}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def tokens_of(text: str) -> list[Token]:
    """The tokens of a query, ended by one of kind END. Raises InvalidQuery, which tells the place."""
    if len(text) > LONGEST:
        raise InvalidQuery(f"The query is longer than {LONGEST} characters. Ask for less at once.")
    found: list[Token] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space:
            at = space.end()
            continue
        token, at = _token(text, at, after_field=bool(found) and found[-1].kind is Kind.FIELD)
        found.append(token)
    found.append(Token(Kind.END, "", len(text) + 1))
    return found


def unescaped(text: str) -> str:
    """``text`` with each escaped character in place of its escape."""
    return _ESCAPED.sub(r"\1", text)


def fault(place: int, words: str) -> InvalidQuery:
    """The error to raise for what stands at ``place``."""
    return InvalidQuery(f"At character {place}: {words}")


def _token(text: str, at: int, *, after_field: bool) -> tuple[Token, int]:
    place, sign = at + 1, text[at]
    if not after_field:
        field = _FIELD.match(text, at)
        if field:
            return Token(Kind.FIELD, field[0][:-1], place), field.end()
        if sign in _SIGNS and at + 1 < len(text) and not text[at + 1].isspace():
            return Token(_SIGNS[sign], sign, place), at + 1
    if sign in "()":
        return Token(Kind.OPEN if sign == "(" else Kind.CLOSE, sign, place), at + 1
    if sign == '"':
        return _phrase(text, at)
    if sign in "[{":
        return _range(text, at)
    if sign in "]}":
        raise fault(place, f"{sign} ends no range. Write [a TO b], or \\{sign} for the character.")
    term = _TERM.match(text, at)
    if term is None:
        raise fault(place, "nothing follows the backslash. Write \\\\ for the character.")
    if not after_field and term[0] in _OPERATORS:
        return Token(_OPERATORS[term[0]], term[0], place), term.end()
    return Token(Kind.TERM, term[0], place), term.end()


def _phrase(text: str, at: int) -> tuple[Token, int]:
    phrase = _PHRASE.match(text, at)
    if phrase is None:
        raise fault(at + 1, 'the phrase has no end. Close it with ", or write \\" for the character.')
    return Token(Kind.PHRASE, phrase[1], at + 1), phrase.end()


def _range(text: str, at: int) -> tuple[Token, int]:
    match = _RANGE.match(text, at)
    if match is None:
        raise fault(at + 1, "this is no range. Write [a TO b], {a TO b}, [a TO *] or [* TO b].")
    low, high = (_end_of_range(end) for end in (match[2], match[3]))
    token = Token(Kind.RANGE, match[0], at + 1, low, high, match[1] == "{", match[4] == "}")
    return token, match.end()


def _end_of_range(end: str) -> str:
    if end == "*":
        return ""
    return unescaped(end[1:-1] if end.startswith('"') else end)

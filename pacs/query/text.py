r"""The text language: what people type to search every attribute, as Dicoogle and Lucene have it.

::

    abdomen contrast                  both words, each in some attribute of the header
    "abdomen with contrast"           the words side by side in one value
    PatientName:DOE* AND Modality:CT  words in one attribute; AND, OR, NOT (or &&, ||, !), parentheses
    -Modality:SR +Modality:(CT OR MR) a minus is NOT; a plus changes nothing, all terms are required
    StudyDate:[20200101 TO *]         a range; braces leave an end out: SliceThickness:{1 TO 5]
    0010,0010:DOE  00100010:DOE       an attribute by its tag, private ones too
    RequestAttributesSequence.ScheduledProcedureStepID:A1   an attribute of items
    StudyDescription:*                the attribute has a value
    PatientName:maier~                a person name by its sound
    StudyDescription:a\:b\*           a backslash makes the next character an ordinary one

Terms without an operator between them are joined by AND; NOT binds more than AND, AND more than OR. Case
and accents do not count. In attributes of text (names, descriptions) a value is one or several words that
stand side by side in it; in all others (codes, UIDs, numbers, dates) it is the whole value. Dates and times
may be written as ISO 8601 has them.
"""

from __future__ import annotations

from pacs.dicom.attribute import tag_of, vr_of
from pacs.errors import InvalidQuery
from pacs.query.lexer import Kind, Token, fault, tokens_of
from pacs.query.term import free_words, range_node, value_node
from pacs.query.tree import And, Everything, Node, Not, Or, Path

__all__ = ["parse_text"]

DEEPEST = 50
"""Parentheses and NOTs within each other that a query may have."""

_TYPES = frozenset({"float", "int", "numeric", "date"})
"""What Dicoogle writes before a range (``Field:Float:[1 TO 5]``); the VR tells as much here."""


def parse_text(text: str) -> Node:
    """The tree of a query; Everything for an empty one.

    Raises InvalidQuery, which tells what is wrong at which character.
    """
    parser = _Parser(tokens_of(text))
    return parser.query()


class _Parser:
    """Recursive descent over tokens; ``field`` is the attribute that a group of values belongs to."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def query(self) -> Node:
        if self._next().kind is Kind.END:
            return Everything()
        node = self._either(None)
        if self._next().kind is not Kind.END:
            raise fault(self._next().place, "this parenthesis closes nothing. Remove it, or write \\).")
        return node

    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _either(self, field: Token | None) -> Node:
        children = [self._both(field)]
        while self._next().kind is Kind.OR:
            self._take()
            children.append(self._both(field))
        return children[0] if len(children) == 1 else Or(tuple(children))

    def _both(self, field: Token | None) -> Node:
        children = [self._one(field)]
        while self._next().kind not in (Kind.OR, Kind.CLOSE, Kind.END):
            if self._next().kind is Kind.AND:
                self._take()
            children.append(self._one(field))
        return children[0] if len(children) == 1 else And(tuple(children))

    def _one(self, field: Token | None) -> Node:
        token = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            raise fault(token.place, f"more than {DEEPEST} levels within each other. Ask more simply.")
        try:
            return self._node(token, field)
        finally:
            self._depth -= 1

    def _node(self, token: Token, field: Token | None) -> Node:
        match token.kind:
            case Kind.NOT:
                return Not(self._one(field))
            case Kind.PLUS:
                return self._one(field)
            case Kind.OPEN:
                return self._group(token, field)
            case Kind.FIELD if field is None:
                return self._field(token)
            case Kind.TERM | Kind.PHRASE | Kind.RANGE:
                return _leaf(token, field)
            case Kind.END:
                raise fault(token.place, "a word or Keyword:value is missing at the end.")
        raise fault(token.place, f"{token.kind.value} cannot stand here. Write a word or Keyword:value.")

    def _group(self, opening: Token, field: Token | None) -> Node:
        node = self._either(field)
        if self._take().kind is not Kind.CLOSE:
            raise fault(opening.place, "this parenthesis is never closed. Add ), or write \\(.")
        return node

    def _field(self, field: Token) -> Node:
        _path_of(field)
        token = self._take()
        if token.kind is Kind.TERM and token.text.lower().rstrip(":") in _TYPES and token.text.endswith(":"):
            token = self._take()
        match token.kind:
            case Kind.OPEN:
                return self._group(token, field)
            case Kind.TERM | Kind.PHRASE | Kind.RANGE:
                return _leaf(token, field)
        raise fault(token.place, "a value must follow the colon. Write Keyword:value or Keyword:*.")


def _leaf(token: Token, field: Token | None) -> Node:
    if field is None:
        if token.kind is Kind.RANGE:
            raise fault(token.place, "a range needs an attribute. Write Keyword:[a TO b].")
        return free_words(token)
    path = _path_of(field)
    vr = vr_of(path[-1])
    if token.kind is Kind.RANGE:
        return range_node(path, vr, token)
    return value_node(path, vr, token)


def _path_of(field: Token) -> Path:
    """The tags that a field names, from the outermost sequence inwards."""
    names = field.text.replace("_", ".").split(".")
    try:
        path = tuple(tag_of(name) for name in names)
    except InvalidQuery as unknown:
        raise fault(field.place, str(unknown)) from None
    for tag, name in zip(path[:-1], names[:-1], strict=True):
        if vr_of(tag) not in ("SQ", "UN"):
            raise fault(field.place, f"{name} has no items. Only a sequence may stand before a full stop.")
    return path

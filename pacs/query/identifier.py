"""From the identifier of C-FIND, C-MOVE and C-GET to a query (PS3.4 C.4.1.1.3, C.4.2.1.4, C.4.3.1.3).

All attributes are keys, of whatever level, private ones included. Where the standard asks for the unique
keys of the levels above, an identifier without them is answered over all that is stored, as Orthanc does
and common workstations expect, whether or not relational queries were negotiated. Keys of a level below
that of the query are matched against, and answered from, the first instance of the entity.

Messages of errors are short enough for an Error Comment (0000,0902), and hold no value of a key.
"""

from __future__ import annotations

from collections.abc import Iterable

from pacs.dicom import tags
from pacs.dicom.attribute import UNIQUE_KEY, keyword_of, vr_of
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.private import creator_tag, is_private
from pacs.errors import InvalidQuery
from pacs.query.criterion import any_of, criterion, values_of
from pacs.query.model import Model, Negotiated, level_asked
from pacs.query.moment import offset_minutes
from pacs.query.pair import date_and_time, time_of_date
from pacs.query.tree import (
    And,
    Equals,
    Everything,
    Key,
    Node,
    OneOf,
    Or,
    Query,
    Sequence,
)
from pacs.query.wildcard import has_wildcard

__all__ = ["Model", "Negotiated", "query_from_identifier", "retrieve_query"]

NEVER_MATCHED = frozenset(
    {
        tags.SPECIFIC_CHARACTER_SET,
        tags.QUERY_RETRIEVE_LEVEL,
        tags.QUERY_RETRIEVE_VIEW,
        tags.RETRIEVE_AE_TITLE,
        tags.INSTANCE_AVAILABILITY,
    }
)
"""Attributes of the identifier, and of where entities are: answered, but no entity is left out for them."""

PRIVATE_BLOCKS = range(0x10, 0x20)
"""Blocks in which the elements of a private creator are looked for, beside the one that the key has."""


def query_from_identifier(identifier: Header, *, model: Model, options: Negotiated) -> Query:
    """The query that a C-FIND identifier asks.

    Raises InvalidQuery where the level is missing or not one of the model, or a key cannot be read.
    """
    level = level_asked(identifier, model)
    offset = ""
    if options.timezone:
        text = identifier.text(tags.TIMEZONE_OFFSET_FROM_UTC).strip(" ")
        if text and offset_minutes(text) is None:
            raise InvalidQuery("TimezoneOffsetFromUTC is not of the form +HHMM or -HHMM")
        offset = text
    where = _conditions(identifier, options, offset)
    keys = {key.tag: key for key in _keys(identifier)}
    for tag in (tags.QUERY_RETRIEVE_LEVEL, tags.RETRIEVE_AE_TITLE):
        keys.setdefault(tag, Key(tag, vr_of(tag)))
    return Query(level, where, tuple(keys[tag] for tag in sorted(keys)))


def retrieve_query(identifier: Header, model: Model) -> Query:
    """The query at IMAGE level for the instances that a C-MOVE or C-GET identifier asks for.

    Unique keys only; that of the level must be there and may be a list of UIDs. Those of levels above may be
    missing; one of a level below narrows the selection. Raises InvalidQuery.
    """
    level = level_asked(identifier, model)
    nodes: list[Node] = []
    for key_level in Level:
        tag = UNIQUE_KEY[key_level]
        name = keyword_of(tag)
        values = values_of(vr_of(tag), identifier.text(tag))
        if not values and key_level == level:
            raise InvalidQuery(f"{name} is missing for a retrieve at {level.name} level")
        if any(has_wildcard(value) for value in values):
            raise InvalidQuery(f"{name} must have no wild cards in a retrieve")
        if key_level == Level.PATIENT and len(values) > 1:
            raise InvalidQuery(f"{name} must be a single value in a retrieve")
        if len(values) == 1:
            nodes.append(Equals((tag,), vr_of(tag), values[0]))
        elif values:
            nodes.append(OneOf((tag,), vr_of(tag), tuple(values)))
    return Query(Level.IMAGE, _all_of(nodes))


def _all_of(nodes: Iterable[Node]) -> Node:
    asked = [node for node in nodes if not isinstance(node, Everything)]
    if not asked:
        return Everything()
    return asked[0] if len(asked) == 1 else And(tuple(asked))


def _conditions(keys: Header, options: Negotiated, offset: str) -> Node:
    """What the keys of an identifier, or of an item in it, ask together."""
    nodes: list[Node] = []
    paired: set[int] = set()
    if options.combined_datetime or offset:
        for tag in keys.values:
            time = time_of_date(tag)
            if time in keys.values and vr_of(tag, keys) == "DA" and vr_of(time, keys) == "TM":
                paired |= {tag, time}
                nodes.append(date_and_time((tag,), (time,), keys.text(tag), keys.text(time), options, offset))
    for tag, value in keys.values.items():
        if tag in paired or not _is_matched(tag, options):
            continue
        if is_private(tag):
            nodes.append(_private(tag, value, keys, options, offset))
        else:
            nodes.append(_condition(tag, vr_of(tag, keys), value, options, offset))
    return _all_of(nodes)


def _condition(tag: int, vr: str, value: Value, options: Negotiated, offset: str) -> Node:
    if isinstance(value, str):
        return criterion((tag,), vr, value, options, offset)
    if len(value) > 1:
        raise InvalidQuery(f"{_name(tag)} has more than one item; ask with one")
    child = _conditions(value[0], options, offset) if value else Everything()
    return Everything() if isinstance(child, Everything) else Sequence((tag,), child)


def _private(tag: int, value: Value, keys: Header, options: Negotiated, offset: str) -> Node:
    """A private key, in whatever block the creator has in the stored header (PS3.5 section 7.8.1)."""
    vr = vr_of(tag, keys)
    if _is_creator(tag):
        if any(creator_tag(other) == tag for other in keys.values if not _is_creator(other)):
            return Everything()
        blocks = {tag & 0xFF, *PRIVATE_BLOCKS}
        group = tag & 0xFFFF0000
        return any_of([_condition(group | block, vr, value, options, offset) for block in sorted(blocks)])
    creator = keys.text(creator_tag(tag)).strip(" ")
    node = _condition(tag, vr, value, options, offset)
    if isinstance(node, Everything) or not creator:
        return node
    places: list[Node] = []
    for block in sorted({tag >> 8 & 0xFF, *PRIVATE_BLOCKS}):
        place = tag & 0xFFFF00FF | block << 8
        reserved = Equals((creator_tag(place),), "LO", creator)
        places.append(And((reserved, _condition(place, vr, value, options, offset))))
    return Or(tuple(places))


def _keys(keys: Header) -> list[Key]:
    """The return keys that an identifier, or an item in it, names."""
    found: list[Key] = []
    for tag, value in keys.values.items():
        if not _is_answered(tag):
            continue
        children = tuple(_keys(value[0])) if isinstance(value, tuple) and value else ()
        creator = ""
        if is_private(tag):
            creator = keys.text(tag if _is_creator(tag) else creator_tag(tag)).strip(" ")
        found.append(Key(tag, vr_of(tag, keys), children, creator))
    return found


def _is_answered(tag: int) -> bool:
    """Neither the character set, which is the answer's own, nor a group length, nor of a command or file."""
    return tag != tags.SPECIFIC_CHARACTER_SET and tag & 0xFFFF != 0 and tag >> 16 > 0x0007


def _is_matched(tag: int, options: Negotiated) -> bool:
    if tag in NEVER_MATCHED or not _is_answered(tag):
        return False
    return tag != tags.TIMEZONE_OFFSET_FROM_UTC or not options.timezone


def _is_creator(tag: int) -> bool:
    return is_private(tag) and 0x10 <= tag & 0xFFFF <= 0xFF


def _name(tag: int) -> str:
    return keyword_of(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"

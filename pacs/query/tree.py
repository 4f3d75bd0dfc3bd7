"""The query tree: what is asked, in no dialect and for no engine (PS3.4 section C.2.2.2).

Dialects (identifier, text) build it; ``match.py`` defines what it means; engines may answer with too
much, never with too little. All nodes are frozen and hashable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pacs.dicom.level import Level

Path: TypeAlias = tuple[int, ...]
"""Tags from the data set's root through sequences to the attribute: ``(0x00400275, 0x00400007)``."""


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches every entity (universal matching, C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class And:
    """All children match."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one child matches."""

    children: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The child does not match."""

    child: Node


@dataclass(frozen=True, slots=True)
class Equals:
    """Single value matching (C.2.2.2.1): any value of the attribute is ``value``.

    ``fold`` matches without regard to case. For TM, DA and DT, ``value`` is compared as a point in time
    of its own precision: "22" is the hour from 22:00, and matches 22:30. A TM value may end in an offset
    from UTC, as DT values may ("1000+0100"): a stored time whose header tells its offset is moved there
    first.
    """

    path: Path
    vr: str
    value: str
    fold: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """List of UID matching (C.2.2.2.2) and multiple value matching: any value is among ``values``."""

    path: Path
    vr: str
    values: tuple[str, ...]
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """Wild card matching (C.2.2.2.4): ``*`` is any run of characters, ``?`` any single one."""

    path: Path
    vr: str
    pattern: str
    fold: bool = False


@dataclass(frozen=True, slots=True)
class PersonName:
    """Matching of PN without regard to case; ``*`` and ``?`` are wild cards.

    The pattern is held against each component group and against the whole; trailing empty
    components do not count. ``fuzzy`` adds words in any order, without accents, by sound.
    """

    path: Path
    pattern: str
    fuzzy: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """Range matching (C.2.2.2.5): both ends included; ``None`` is an open end.

    For DA, TM and DT an end of lower precision covers its whole span, and DT and TM values may end in an
    offset from UTC (see ``Equals``). For numeric VRs (DS, IS, US, ...) the order is that of numbers,
    elsewhere of text without regard to case. ``beyond_low`` and ``before_high`` leave that end itself
    out.
    """

    path: Path
    vr: str
    low: str | None
    high: str | None
    beyond_low: bool = False
    before_high: bool = False


@dataclass(frozen=True, slots=True)
class DateTimeRange:
    """Combined date-time matching (C.2.2.2.5.3 as negotiated): date and time as one point.

    ``low`` and ``high`` are DT values (YYYYMMDDHHMMSS.FFFFFF&ZZXX), of any precision. With an offset, the
    stored date may differ from theirs by one day.
    """

    date: Path
    time: Path
    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Sequence:
    """Sequence matching (C.2.2.2.6): some item of the sequence matches ``child``.

    Paths inside ``child`` start at the item.
    """

    path: Path
    child: Node


@dataclass(frozen=True, slots=True)
class Present:
    """The attribute is there with a value."""

    path: Path


@dataclass(frozen=True, slots=True)
class Words:
    """Free text: the words stand, in this order and side by side, in some value of any attribute.

    A word may end or begin with, or hold, ``*`` and ``?``. Without regard to case and accents. With ``path``,
    only the values of that attribute count. ``word.py`` says what a word is.
    """

    words: tuple[str, ...]
    path: Path = ()


Node: TypeAlias = (
    Everything
    | And
    | Or
    | Not
    | Equals
    | OneOf
    | Wildcard
    | PersonName
    | Range
    | DateTimeRange
    | Sequence
    | Present
    | Words
)


@dataclass(frozen=True, slots=True)
class Key:
    """A return key: the attribute, its VR, and for a sequence the keys wanted of its items (none: all).

    ``creator`` is the private creator that reserves the block of a private ``tag`` (PS3.5 section 7.8.1).
    The key of a private creator element itself has that creator too, and is answered with it.
    """

    tag: int
    vr: str
    children: tuple[Key, ...] = ()
    creator: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """A whole question: entities of ``level`` that match ``where``, answered with ``keys``."""

    level: Level
    where: Node
    keys: tuple[Key, ...] = ()

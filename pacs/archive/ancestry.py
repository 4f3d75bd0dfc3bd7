"""What the entities above a found one add to it: the attributes that are computed at their levels.

A SERIES query may ask for, or by, ModalitiesInStudy (0008,0061): the index has it with the study. Parents are
fetched once for a run of children, and only a bounded number of them is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from pacs.dicom.attribute import COMPUTED
from pacs.dicom.header import Value
from pacs.dicom.level import Level
from pacs.index.protocol import Entity, Identity, Index
from pacs.query.tree import (
    And,
    DateTimeRange,
    Everything,
    Node,
    Not,
    Or,
    Words,
)

REMEMBERED = 1024
"""Parents that are remembered while a query is answered."""

FIRST_CHUNK, LARGEST_CHUNK = 16, 512
"""Entities whose parents are fetched together: few at first, for the first answer to come at once."""


def computed_above(level: Level, where: Node) -> frozenset[int]:
    """The tags in ``where`` that are computed at a level above ``level``."""
    above = frozenset().union(*(COMPUTED[other] for other in Level if other < level))
    return above & first_tags(where)


def first_tags(node: Node) -> frozenset[int]:
    """The tags at the root of the data set that ``node`` looks at."""
    match node:
        case Everything():
            return frozenset()
        case And(children) | Or(children):
            return frozenset().union(*(first_tags(child) for child in children))
        case Not(child):
            return first_tags(child)
        case DateTimeRange(date, time):
            return frozenset({date[0], time[0]})
        case Words(path=()):
            return frozenset()
        case _:
            return frozenset({node.path[0]})


def without(tags: frozenset[int], node: Node) -> Node:
    """``node`` widened so that it does not look at ``tags``: it matches all that ``node`` does, and more."""
    match node:
        case And(children):
            return And(tuple(without(tags, child) for child in children))
        case Or(children):
            return Or(tuple(without(tags, child) for child in children))
        case _:
            # A Not around a widened node would match less, so that all of it goes.
            return Everything() if tags & first_tags(node) else node


def parted(node: Node, tags: frozenset[int]) -> tuple[Node, Node]:
    """``node`` as two that both must match, of which the first does not look at ``tags``."""
    children = node.children if isinstance(node, And) else (node,)
    free = tuple(child for child in children if not tags & first_tags(child))
    bound = tuple(child for child in children if tags & first_tags(child))
    return And(free), And(bound)


class Ancestry:
    """Computed attributes of the entities above others, remembered for one query."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._known: dict[tuple[Level, str], Entity | None] = {}

    def values(self, identity: Identity, level: Level, tags: frozenset[int]) -> dict[int, Value]:
        """The values of ``tags`` that the entities above ``identity`` hold."""
        found: dict[int, Value] = {}
        for above, wanted in _levels_above(level, tags):
            parent = self._parent(above, identity)
            if parent is not None:
                values = parent.header.values
                found.update((tag, values[tag]) for tag in wanted if tag in values)
        return found

    def ahead(self, entities: Iterator[Entity], level: Level, tags: frozenset[int]) -> Iterator[Entity]:
        """``entities`` of ``level``, whose parents that hold ``tags`` are fetched by many at a time."""
        size = FIRST_CHUNK
        while chunk := list(islice(entities, size)):
            for above, _ in _levels_above(level, tags):
                self._fetch(above, {entity.identity.key_at(above) for entity in chunk})
            yield from chunk
            size = min(2 * size, LARGEST_CHUNK)

    def _fetch(self, level: Level, keys: Iterable[str]) -> None:
        missing = [key for key in keys if (level, key) not in self._known]
        if not missing:
            return
        if len(self._known) + len(missing) > REMEMBERED:
            self._known.clear()
        found = self._index.get(level, missing)
        self._known.update(((level, key), found.get(key)) for key in missing)

    def _parent(self, level: Level, identity: Identity) -> Entity | None:
        key = identity.key_at(level)
        if (level, key) not in self._known:
            self._fetch(level, (key,))
        return self._known[level, key]


def _levels_above(level: Level, tags: frozenset[int]) -> Iterator[tuple[Level, frozenset[int]]]:
    """The levels above ``level`` at which some of ``tags`` are computed, and which."""
    for above in Level:
        if above < level and (wanted := COMPUTED[above] & tags):
            yield above, wanted

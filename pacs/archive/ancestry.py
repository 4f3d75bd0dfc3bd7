"""What the entities above a found one add to it: the attributes that are computed at their levels.

A SERIES query may ask for, or by, ModalitiesInStudy (0008,0061): the index has it with the study. Parents are
fetched once for a run of children, and only a bounded number of them is remembered.
"""

from __future__ import annotations

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
        for above in Level:
            if above >= level:
                break
            wanted = COMPUTED[above] & tags
            if not wanted:
                continue
            parent = self._parent(above, identity)
            if parent is not None:
                values = parent.header.values
                found.update((tag, values[tag]) for tag in wanted if tag in values)
        return found

    def _parent(self, level: Level, identity: Identity) -> Entity | None:
        key = _key_above(level, identity)
        place = (level, key)
        if place not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[place] = self._index.get(level, [key]).get(key)
        return self._known[place]


def _key_above(level: Level, identity: Identity) -> str:
    """The ``Identity.key`` of the entity of ``level`` that ``identity`` belongs to."""
    if level == Level.PATIENT:
        return Identity(identity.patient).key
    if level == Level.STUDY:
        return Identity(identity.patient, identity.study).key
    return Identity(identity.patient, identity.study, identity.series).key

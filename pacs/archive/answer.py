"""The answer to a query for one entity: the keys asked for, and nothing else (PS3.4 section C.4.1.1.3.2)."""

from __future__ import annotations

from collections.abc import Callable

from pacs.archive.ancestry import Ancestry
from pacs.dicom import tags
from pacs.dicom.attribute import COMPUTED, vr_dictionary
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.private import creator_tag, is_private
from pacs.index.protocol import Entity
from pacs.query.identifier import PRIVATE_BLOCKS
from pacs.query.match import matcher
from pacs.query.tree import And, Key, Node, Query, Sequence

Fill = Callable[[Header, Header], None]
"""Puts the values of one key, from the header given first, into the answer given second."""


class Answerer:
    """Makes answers to one query; plain keys are copied in one step, others filled in one by one."""

    def __init__(self, query: Query, retrieve_ae_title: str, ancestry: Ancestry) -> None:
        keys = sorted(query.keys, key=lambda key: key.tag)
        self._level = query.level
        self._ancestry = ancestry
        self._blank: dict[int, Value] = {key.tag: () if key.vr == "SQ" else "" for key in keys}
        own = {
            tags.QUERY_RETRIEVE_LEVEL: query.level.name,
            tags.RETRIEVE_AE_TITLE: retrieve_ae_title,
            tags.INSTANCE_AVAILABILITY: "ONLINE",
        }
        self._blank.update((tag, value) for tag, value in own.items() if tag in self._blank)
        above = frozenset().union(*(COMPUTED[level] for level in Level if level < query.level))
        # The keys whose values are those of entities above.
        self.from_above = above & self._blank.keys()
        # Only these are looked up: an index may have to read more to know that an attribute is not there.
        self._asked = tuple(self._blank.keys() - own.keys() - self.from_above)
        self._fills = _fills(tuple(keys), _sequences_asked(query.where))
        self._vrs = _own_vrs(tuple(keys))

    def __call__(self, entity: Entity) -> Header:
        """The answer for ``entity``."""
        header = entity.header
        get = header.values.get
        values = self._blank.copy()
        for tag in self._asked:
            value = get(tag)
            if value is not None:
                values[tag] = value
        vrs = dict(self._vrs)
        if header.vrs:
            vrs.update((tag, header.vrs[tag]) for tag in values.keys() & header.vrs.keys())
        answer = Header(values, vrs)
        for fill in self._fills:
            fill(header, answer)
        if self.from_above:
            values.update(self._ancestry.values(entity.identity, self._level, self.from_above))
        return answer


def _own_vrs(keys: tuple[Key, ...]) -> dict[int, str]:
    """The VRs of keys that are not the dictionary's."""
    dictionary = vr_dictionary()
    return {key.tag: key.vr for key in keys if key.vr != dictionary[key.tag]}


def _sequences_asked(where: Node) -> dict[int, Node]:
    """What items must match, by the tag of their sequence."""
    asked: dict[int, Node] = {}
    for node in where.children if isinstance(where, And) else (where,):
        if isinstance(node, Sequence) and len(node.path) == 1:
            asked[node.path[0]] = node.child
    return asked


def _fills(keys: tuple[Key, ...], asked: dict[int, Node]) -> list[Fill]:
    fills: list[Fill] = []
    for key in keys:
        if is_private(key.tag) and key.creator:
            fills.append(_private(key))
        if key.children:
            fills.append(_items(key, asked.get(key.tag)))
    return fills


def _items(key: Key, child: Node | None) -> Fill:
    """Of the matching items, the attributes asked for (C.2.2.2.6)."""
    keys = tuple(sorted(key.children, key=lambda one: one.tag))
    empty: dict[int, Value] = {one.tag: () if one.vr == "SQ" else "" for one in keys}
    vrs = _own_vrs(keys)
    matches = matcher(child) if child is not None else None
    fills = _fills(keys, _sequences_asked(child) if child is not None else {})
    tag = key.tag

    def fill(header: Header, answer: Header) -> None:
        items = answer.items(tag)
        found: list[Header] = []
        for item in items:
            if matches is not None and not matches(item):
                continue
            get = item.values.get
            part = Header({one: get(one, none) for one, none in empty.items()}, dict(vrs))
            part.vrs.update((one, vr) for one, vr in item.vrs.items() if one in empty)
            for inner in fills:
                inner(item, part)
            found.append(part)
        answer.values[tag] = tuple(found)

    return fill


def _private(key: Key) -> Fill:
    """The element of the key's creator, whatever its block, at the key's own place (PS3.5 section 7.8.1)."""
    tag, creator = key.tag, key.creator
    group = tag & 0xFFFF0000
    is_creator = 0x10 <= tag & 0xFFFF <= 0xFF
    element = tag & 0xFF

    def fill(header: Header, answer: Header) -> None:
        if is_creator:
            answer.values[tag] = creator
            return
        values = header.values
        if values.get(creator_tag(tag)) == creator:
            return
        answer.values[tag] = () if key.vr == "SQ" else ""
        answer.vrs[tag] = key.vr
        for block in PRIVATE_BLOCKS:
            if values.get(group | block) == creator:
                place = group | block << 8 | element
                if place in values:
                    answer.values[tag] = values[place]
                    answer.vrs[tag] = header.vrs.get(place, key.vr)
                return

    return fill

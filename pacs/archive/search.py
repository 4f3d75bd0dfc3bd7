"""Search: entities of one level by attributes of any level, as people ask (``pacs query``).

A C-FIND identifier may only ask by keys of its level and those above. People ask for studies with
``Modality:CT``, which is an attribute of series: a study is found if anything in it matches.
"""

from __future__ import annotations

from collections.abc import Iterator

from pacs.archive.ancestry import first_tags
from pacs.archive.find import Find
from pacs.dicom.attribute import COMPUTED, level_of
from pacs.dicom.level import Level
from pacs.index.protocol import Entity, Index
from pacs.query.tree import And, Node, Not, Or, Query, Words


class Search:
    """Searches ``index`` through ``find``."""

    def __init__(self, index: Index, find: Find) -> None:
        self._index = index
        self._find = find

    def entities(self, level: Level, where: Node) -> Iterator[Entity]:
        """The entities of ``level`` that match, or hold something that does; each once, lazily.

        Remembers the keys of those found. Raises IndexUnavailable.
        """
        asked = max(level, deepest_level(where))
        found = self._find.entities(Query(asked, where))
        if asked == level:
            yield from found
            return
        seen: set[str] = set()
        for entity in found:
            key = entity.identity.key_at(level)
            if key in seen:
                continue
            seen.add(key)
            holder = self._index.get(level, (key,)).get(key)
            if holder is not None:
                yield holder


def deepest_level(node: Node) -> Level:
    """The lowest level whose attributes ``node`` looks at; free text looks at all of them."""
    match node:
        case And(children) | Or(children):
            return max(map(deepest_level, children), default=Level.PATIENT)
        case Not(child):
            return deepest_level(child)
        case Words(path=()):
            return Level.IMAGE
        case _:
            return max(map(_level_of, first_tags(node)), default=Level.PATIENT)


def _level_of(tag: int) -> Level:
    return next((level for level in Level if tag in COMPUTED[level]), level_of(tag))

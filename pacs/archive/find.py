"""Find: the entities that match a query, and the answers of a C-FIND or QIDO-RS to it (PS3.4 section C.4.1).

Entities come lazily from the index, each decided by the matcher, so that an answer goes out while others are
still looked for. Nothing is gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pacs.archive.ancestry import Ancestry, computed_above, first_tags, parted, without
from pacs.archive.answer import Answerer
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.index.protocol import Entity, Index
from pacs.query.match import matcher
from pacs.query.tree import Node, Query


class Find:
    """Answers queries from ``index``.

    ``settle`` returns when all that was acknowledged before can be found; ``retrieve_ae_title`` is the AE
    title under which the instances can be retrieved.
    """

    def __init__(self, index: Index, settle: Callable[[], None], retrieve_ae_title: str) -> None:
        self._index = index
        self._settle = settle
        self._retrieve_ae_title = retrieve_ae_title

    def entities(self, query: Query) -> Iterator[Entity]:
        """The entities of the query's level that match, each once, in no promised order.

        Sees every instance acknowledged before the first of them is asked for. Raises IndexUnavailable.
        """
        self._settle()
        yield from self._matching(query.level, query.where, Ancestry(self._index))

    def answers(self, query: Query) -> Iterator[Header]:
        """One header an entity: the keys of the query in order of tags, absent ones without a value.

        Raises IndexUnavailable.
        """
        self._settle()
        ancestry = Ancestry(self._index)
        answer = Answerer(query, self._retrieve_ae_title, ancestry)
        found = self._matching(query.level, query.where, ancestry)
        if answer.from_above:
            found = ancestry.ahead(found, query.level, answer.from_above)
        for entity in found:
            yield answer(entity)

    def _matching(self, level: Level, where: Node, ancestry: Ancestry) -> Iterator[Entity]:
        from_above = computed_above(level, where)
        if not from_above:
            matches = matcher(where)
            for entity in self._index.search(level, where):
                if matches(entity.header):
                    yield entity
            return
        # The entity does not hold these attributes: the index looks for the rest, the matcher sees all.
        own, above = parted(where, from_above)
        matches, above_matches = matcher(own), matcher(above)
        tags_above = first_tags(above)
        candidates = (
            entity
            for entity in self._index.search(level, without(from_above, where))
            if matches(entity.header)
        )
        for entity in ancestry.ahead(candidates, level, from_above):
            header = entity.header
            values = {tag: value for tag in tags_above if (value := header.values.get(tag)) is not None}
            values.update(ancestry.values(entity.identity, level, from_above))
            if above_matches(Header(values, header.vrs)):
                yield entity

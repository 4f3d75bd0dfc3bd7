"""Documents: what an engine keeps of an entity, in no engine's words: a key, terms and a record. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pacs.dicom import tags
from pacs.dicom.header import Value
from pacs.dicom.level import Level
from pacs.index.hierarchy import COMPUTED_TAGS
from pacs.index.packing import Pairs
from pacs.index.protocol import Entity, Identity
from pacs.index.record import core_pairs, pack_core, pack_rest, rest_pairs
from pacs.index.terms import Terms

EVERY = "*"
"""The term that all entities of a level have."""


@dataclass(frozen=True, slots=True)
class Document:
    """``terms`` are joined by spaces; ``core`` and ``rest`` are the record (see ``record.py``)."""

    level: Level
    key: str
    terms: str
    core: bytes
    rest: bytes


REMEMBERED = 64
"""Series whose attributes are remembered, for their next instances."""


class Documents:
    """Makes documents, for one thread at a time.

    The instances of a series share all but a few attributes, and so do series, study and patient with the
    first of them; what is the same is made once.
    """

    def __init__(self) -> None:
        self._terms = Terms()
        self._shared: dict[tuple[str, str], _Shared] = {}

    def of(self, entities: Iterable[Entity]) -> Iterator[Document]:
        """A document for each entity, in their order."""
        for entity in entities:
            identity, values = entity.identity, entity.header.values
            level = identity.level
            shared = self._shared_with(values)
            # What the other instances of the series have otherwise, and what is counted.
            own = {tag: values[tag] for tag in values.keys() - shared.values.keys()}
            terms = self._terms.of(own) - shared.terms
            above = _terms_of_parents(identity.patient, identity.study, identity.series, level)
            yield Document(
                level,
                key_term(identity.key),
                " ".join((above, *terms, shared.joined)),
                pack_core(entity, (shared.core(level), core_pairs(level, own))),
                pack_rest((shared.rest, rest_pairs(own))),
            )

    def _shared_with(self, values: dict[int, Value]) -> _Shared:
        """What ``values`` has in common with the headers of its series that came before."""
        place = (str(values.get(tags.STUDY_INSTANCE_UID)), str(values.get(tags.SERIES_INSTANCE_UID)))
        shared = self._shared.get(place)
        if shared is not None and shared.values.items() <= values.items():
            return shared
        if shared is None:
            if len(self._shared) >= REMEMBERED:
                del self._shared[next(iter(self._shared))]
            common = {tag: value for tag, value in values.items() if tag not in COMPUTED_TAGS}
        else:
            common = {tag: value for tag, value in shared.values.items() if values.get(tag) == value}
        self._shared[place] = shared = _Shared(common, self._terms.of(common))
        return shared


class _Shared:
    """Attributes that all headers seen of a series have, and what documents hold of them."""

    def __init__(self, values: dict[int, Value], terms: set[str]) -> None:
        self.values = values
        self.terms = terms
        self.joined = " ".join(terms)
        self.rest = rest_pairs(values)
        self._core: dict[Level, Pairs] = {}

    def core(self, level: Level) -> Pairs:
        """The part of them that is in the core of a record of ``level``."""
        if level not in self._core:
            self._core[level] = core_pairs(level, self.values)
        return self._core[level]


def key_term(key: str) -> str:
    """An ``Identity.key`` as a term: such that are not ASCII or very long by their digest."""
    return key if key.isascii() and len(key) <= 200 else _digest(key)


def parent_term(parent: Identity) -> str:
    """The term of all that is below ``parent``."""
    return f"<{int(parent.level)}{_digest(parent.key)}"


@lru_cache(maxsize=1024)
def _terms_of_parents(patient: str, study: str, series: str, level: Level) -> str:
    """The term of all entities and those of what is above one, joined by spaces."""
    terms = [EVERY, parent_term(Identity(patient))]
    if level > Level.STUDY:
        terms.append(parent_term(Identity(patient, study)))
    if level > Level.SERIES:
        terms.append(parent_term(Identity(patient, study, series)))
    return " ".join(terms)


def _digest(text: str) -> str:
    return "#" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

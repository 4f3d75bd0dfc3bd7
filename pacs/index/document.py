"""Documents: what an engine keeps of an entity, in no engine's words: a key, terms and a record. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacs.dicom import tags
from pacs.dicom.header import Value
from pacs.dicom.level import Level
from pacs.index.hierarchy import COMPUTED_TAGS
from pacs.index.protocol import Entity, Identity
from pacs.index.record import pack_core, pack_rest
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


class Documents:
    """Makes documents, for one thread at a time.

    Instance, series, study and patient of one instance share all but a few attributes; what is the same
    for them is made once.
    """

    def __init__(self) -> None:
        self._terms = Terms()

    def of(self, entities: Iterable[Entity]) -> Iterator[Document]:
        """A document for each entity, in their order."""
        shared: dict[str, tuple[dict[int, Value], str, bytes]] = {}
        for entity in entities:
            identity, header = entity.identity, entity.header
            common = {tag: value for tag, value in header.values.items() if tag not in COMPUTED_TAGS}
            uid = header.text(tags.SOP_INSTANCE_UID)
            if uid not in shared or shared[uid][0] != common:
                terms = " ".join(self._terms.of(header, COMPUTED_TAGS))
                shared[uid] = common, terms, pack_rest(header)
            _, terms, rest = shared[uid]
            own = " ".join([EVERY, *_terms_of_parents(identity), *self._terms.of_tags(header, COMPUTED_TAGS)])
            yield Document(identity.level, key_term(identity.key), f"{own} {terms}", pack_core(entity), rest)


def key_term(key: str) -> str:
    """An ``Identity.key`` as a term: such that are not ASCII or very long by their digest."""
    return key if key.isascii() and len(key) <= 200 else _digest(key)


def parent_term(parent: Identity) -> str:
    """The term of all that is below ``parent``."""
    return f"<{int(parent.level)}{_digest(parent.key)}"


def _terms_of_parents(identity: Identity) -> Iterator[str]:
    yield parent_term(Identity(identity.patient))
    if identity.level > Level.STUDY:
        yield parent_term(Identity(identity.patient, identity.study))
    if identity.level > Level.SERIES:
        yield parent_term(Identity(identity.patient, identity.study, identity.series))


def _digest(text: str) -> str:
    return "#" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

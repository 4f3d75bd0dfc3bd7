"""TantivyIndex: the default engine, a Lucene-like index in Rust. The one module that imports tantivy.

Every entity is a document. A level has fields of its own, so that a look-up among studies never meets the
terms of instances: ``key<level>`` (``Identity.key``), ``terms<level>`` (terms of the header, of what is above
it, and one that all of the level have). ``core`` and ``rest`` keep the record (see ``record.py``).

One process writes, under its lease; others may read. tantivy gives every reader a picture of one commit.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import tantivy

from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable
from pacs.index import plan as plans
from pacs.index.document import EVERY, Document, Documents, key_term, parent_term
from pacs.index.folder import ADVICE, IndexFolder
from pacs.index.hierarchy import is_below
from pacs.index.protocol import Changes, Entity, Identity
from pacs.index.record import unpack
from pacs.query.tree import Node

logger = logging.getLogger(__name__)

HEAP_BYTES = 96 * 1024 * 1024
"""Memory in which the writer gathers documents; what goes over it is written to disk before the commit."""

FIRST_PAGE = 256
LARGEST_PAGE = 65_536
"""Hits that a search asks for at a time: few at first, for the first answer to come at once, then more."""

FEW_TERMS = 512
"""So many terms are sought one by one, which takes 14 us each; in a set they take 24 us each."""


class TantivyIndex:
    """The Index protocol over a folder.

    ``check_lease`` is called before every commit and raises LeaseLost. Without ``writable`` the index
    is read as the writing process leaves it; each call sees the newest commit, or with ``stale_seconds`` one
    that was the newest so long ago at most. Raises IndexUnavailable.
    """

    def __init__(
        self, path: Path, *, writable: bool, check_lease: Callable[[], None], stale_seconds: float = 0.0
    ) -> None:
        self._folder = IndexFolder(path, "tantivy 1")
        self._check_lease = check_lease
        self._writable = writable
        self._stale_seconds = stale_seconds
        self._looked = time.monotonic()
        self._lock = threading.Lock()
        self._writer: tantivy.IndexWriter | None = None
        self._schema = _schema()
        self._documents = Documents()
        if writable:
            check_lease()
            self._folder.prepare()
        else:
            self._folder.check_readable()
        self._index: tantivy.Index | None = self._open()

    @property
    def needs_rebuild(self) -> bool:
        """Whether the index was begun anew (no files, or of another version) and not rebuilt since."""
        return self._folder.needs_rebuild

    def rebuilt(self) -> None:
        """Note that a rebuild is done: the index holds what storage holds."""
        self._folder.rebuilt()

    def _open(self) -> tantivy.Index:
        try:
            index = tantivy.Index(self._schema, str(self._folder.files), reuse=True)
            # Readers are told of commits by ``reload``, not by a thread that watches files: NFS tells nobody.
            index.config_reader(reload_policy="manual")
            index.reload()
        except (ValueError, OSError) as error:
            if not self._writable:
                raise IndexUnavailable(f"The index cannot be read: {error}. {ADVICE}") from error
            logger.warning("The index is damaged and begun anew: %s", error)
            self._folder.empty()
            return tantivy.Index(self._schema, str(self._folder.files), reuse=True)
        return index

    def apply(self, changes: Changes) -> None:
        """Make all changes in one commit."""
        with self._lock:
            index = self._opened_to_write()
            try:
                writer = self._writing(index)
                for identity in changes.drop:
                    writer.delete_documents_by_term(f"key{identity.level}", key_term(identity.key))
                for document in self._documents.of(changes.put):
                    writer.delete_documents_by_term(f"key{document.level}", document.key)
                    writer.add_document(_document(document))
                self._check_lease()
                writer.commit()
                index.reload()
            except (ValueError, OSError) as error:
                self._abandon()
                raise IndexUnavailable(f"The index cannot be written: {error}.") from error
            except BaseException:
                self._abandon()
                raise

    def _writing(self, index: tantivy.Index) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
        return self._writer

    def _abandon(self) -> None:
        """Forget what was not committed. A writer that failed works no more; the next apply opens another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.rollback()
            except (ValueError, OSError) as error:
                logger.debug("Rollback failed, the writer is dropped: %s", error)

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        """The entities of ``level`` by key."""
        if not keys:
            return {}
        searcher = self._searcher()
        query = self._any(f"key{level}", [key_term(key) for key in keys])
        return {entity.identity.key: entity for entity in self._hits(searcher, query, len(keys))}

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        """Candidates for ``where``, from the commit that is newest now."""
        return self._pages(self._searcher(), self._query(level, plans.plan(where)))

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        """The entities of ``level`` below ``parent``."""
        query = self._query(level, plans.AnyTerm((parent_term(parent),)))
        found = self._pages(self._searcher(), query)
        return (entity for entity in found if is_below(entity.identity, parent))

    def count(self, level: Level) -> int:
        """How many entities of ``level`` there are."""
        searcher = self._searcher()
        return _count(searcher, self._query(level, plans.All()))

    def clear(self) -> None:
        """Drop everything, and note that a rebuild has to follow."""
        with self._lock:
            index = self._opened_to_write()
            self._folder.begin_anew()
            try:
                writer = self._writing(index)
                writer.delete_all_documents()
                writer.commit()
                index.reload()
            except (ValueError, OSError) as error:
                self._abandon()
                raise IndexUnavailable(f"The index cannot be written: {error}.") from error

    def close(self) -> None:
        """Let running merges end and release the files."""
        with self._lock:
            writer, self._writer = self._writer, None
            self._index = None
            if writer is not None:
                try:
                    writer.wait_merging_threads()
                except (ValueError, OSError) as error:
                    logger.warning("The index was closed while it merged files: %s", error)

    def _opened(self) -> tantivy.Index:
        if self._index is None:
            raise IndexUnavailable("The index is closed. Open it again.")
        return self._index

    def _opened_to_write(self) -> tantivy.Index:
        index = self._opened()
        if not self._writable:
            raise IndexUnavailable("This process may only read the index; the server writes it.")
        self._check_lease()
        return index

    def _searcher(self) -> tantivy.Searcher:
        index = self._opened()
        try:
            now = time.monotonic()
            if not self._writable and now - self._looked >= self._stale_seconds:
                self._looked = now
                index.reload()
            return index.searcher()
        except (ValueError, OSError) as error:
            raise IndexUnavailable(f"The index cannot be read: {error}.") from error

    def _pages(self, searcher: tantivy.Searcher, query: tantivy.Query) -> Iterator[Entity]:
        """All hits. Each page is a search over the same commit, so nothing is missed or repeated."""
        offset, size = 0, FIRST_PAGE
        while True:
            count = 0
            for entity in self._hits(searcher, query, size, offset):
                count += 1
                yield entity
            if count < size:
                return
            offset += size
            size = min(size * 8, LARGEST_PAGE)

    def _hits(
        self, searcher: tantivy.Searcher, query: tantivy.Query, limit: int, offset: int = 0
    ) -> Iterator[Entity]:
        # With one score for all, hits come as they lie in the files: what is read together lies together.
        query = tantivy.Query.const_score_query(query, 1.0)
        try:
            hits = searcher.search(query, limit, count=False, offset=offset).hits
            for _, address in hits:
                document = searcher.doc(address)
                yield unpack(
                    cast(bytes, document.get_first("core")),
                    partial(cast("Callable[[str], bytes]", document.get_first), "rest"),
                )
        except (ValueError, OSError) as error:
            raise IndexUnavailable(f"The index cannot be read: {error}. {ADVICE}") from error

    def _query(self, level: Level, plan: plans.Plan) -> tantivy.Query:
        """``plan`` in tantivy's words."""
        field = f"terms{level}"
        match plan:
            case plans.All():
                return tantivy.Query.term_query(self._schema, field, EVERY)
            case plans.Nothing():
                return tantivy.Query.empty_query()
            case plans.AnyTerm(terms):
                return self._any(field, terms)
            case plans.Prefix(text):
                # What a regular expression would find too, but takes 0.2 ms to be made.
                return tantivy.Query.fuzzy_term_query(self._schema, field, text, distance=0, prefix=True)
            case plans.Pattern(prefix, expression):
                return tantivy.Query.regex_query(self._schema, field, plans.escape(prefix) + expression)
            case plans.Both(children):
                return self._joined(tantivy.Occur.Must, level, children)
            case plans.Either(children):
                return self._joined(tantivy.Occur.Should, level, children)

    def _any(self, field: str, terms: Sequence[str]) -> tantivy.Query:
        if len(terms) > FEW_TERMS:
            return tantivy.Query.term_set_query(self._schema, field, terms)
        return tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Should, tantivy.Query.term_query(self._schema, field, term, "basic"))
                for term in terms
            ]
        )

    def _joined(self, occur: tantivy.Occur, level: Level, children: Iterable[plans.Plan]) -> tantivy.Query:
        return tantivy.Query.boolean_query([(occur, self._query(level, child)) for child in children])


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for level in Level:
        builder.add_text_field(f"key{level}", tokenizer_name="raw", index_option="basic")
        builder.add_text_field(f"terms{level}", tokenizer_name="whitespace", index_option="basic")
    builder.add_bytes_field("core", stored=True)
    builder.add_bytes_field("rest", stored=True)
    return builder.build()


def _document(document: Document) -> tantivy.Document:
    made = tantivy.Document()
    made.add_text(f"key{document.level}", document.key)
    made.add_text(f"terms{document.level}", document.terms)
    made.add_bytes("core", document.core)
    made.add_bytes("rest", document.rest)
    return made


def _count(searcher: tantivy.Searcher, query: tantivy.Query) -> int:
    # The type stubs leave out that a search tells its count.
    return int(getattr(searcher.search(query, 1, count=True), "count"))  # noqa: B009

"""WhooshIndex: the engine in Python alone, where tantivy cannot be. The one module that imports whoosh.

Documents are as with tantivy: fields of their own for each level (``key<level>``, ``terms<level>``), and the
record in ``core`` and ``rest``. Of whoosh only its files are used, terms and postings; plans are resolved
here, into sets of documents.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import whoosh.fields  # type: ignore[import-untyped]
import whoosh.filedb.filestore  # type: ignore[import-untyped]
import whoosh.formats  # type: ignore[import-untyped]
import whoosh.index  # type: ignore[import-untyped]
import whoosh.reading  # type: ignore[import-untyped]
import whoosh.util.text  # type: ignore[import-untyped]

from pacs.dicom.level import Level
from pacs.errors import IndexUnavailable
from pacs.index import plan as plans
from pacs.index.document import EVERY, Documents, key_term, parent_term
from pacs.index.folder import ADVICE, IndexFolder
from pacs.index.hierarchy import is_below
from pacs.index.protocol import Changes, Entity, Identity
from pacs.index.record import unpack
from pacs.query.tree import Node

logger = logging.getLogger(__name__)

HEAP_MEGABYTES = 64
"""Memory in which a writer gathers postings before they go to a temporary file."""

SEGMENTS_OF_A_SIZE = 8
"""So many segments of one order of size are merged into one of the next: few rewrites, few files."""

_Failures = (OSError, ValueError, KeyError, whoosh.index.IndexError, whoosh.reading.ReaderClosed)


class WhooshIndex:
    """The Index protocol over a folder; the same promises and arguments as ``TantivyIndex``.

    ``stale_seconds`` changes nothing here: every call opens a reader of the newest commit.
    """

    def __init__(
        self, path: Path, *, writable: bool, check_lease: Callable[[], None], stale_seconds: float = 0.0
    ) -> None:
        self._folder = IndexFolder(path, "whoosh 1")
        self._check_lease = check_lease
        self._writable = writable
        self._lock = threading.Lock()
        self._documents = Documents()
        if writable:
            check_lease()
            self._folder.prepare()
        else:
            self._folder.check_readable()
        self._index: Any = self._open()

    @property
    def needs_rebuild(self) -> bool:
        """Whether the index was begun anew (no files, or of another version) and not rebuilt since."""
        return self._folder.needs_rebuild

    def rebuilt(self) -> None:
        """Note that a rebuild is done: the index holds what storage holds."""
        self._folder.rebuilt()

    def _open(self) -> Any:
        storage = _DurableStorage(str(self._folder.files))
        try:
            if storage.index_exists():
                index = storage.open_index()
                index.reader().close()
                return index
        except Exception as error:  # whoosh raises what unpickling and struct raise
            storage.close_files()
            if not self._writable:
                raise IndexUnavailable(f"The index cannot be read: {error}. {ADVICE}") from error
            logger.warning("The index is damaged and begun anew: %s", error)
            self._folder.empty()
        if not self._writable:
            raise IndexUnavailable(f"There is no index in {self._folder.files}. {ADVICE}")
        return storage.create_index(_schema())

    def apply(self, changes: Changes) -> None:
        """Make all changes in one commit."""
        with self._lock:
            index = self._opened_to_write()
            writer: Any = None
            try:
                writer = _writer(index)
                reader = index.reader()
                try:
                    for identity in changes.drop:
                        _delete(writer, reader, identity.level, key_term(identity.key))
                    for document in self._documents.of(changes.put):
                        _delete(writer, reader, document.level, document.key)
                        fields: dict[str, Any] = {
                            f"key{document.level}": document.key,
                            f"terms{document.level}": document.terms,
                        }
                        writer.add_document(core=document.core, rest=document.rest, **fields)
                finally:
                    reader.close()
                self._check_lease()
                writer.commit(mergetype=_merge_equals)
            except BaseException as error:
                _cancel(writer)
                if isinstance(error, _Failures):
                    raise IndexUnavailable(f"The index cannot be written: {error}.") from error
                raise

    def get(self, level: Level, keys: Sequence[str]) -> dict[str, Entity]:
        """The entities of ``level`` by key."""
        terms = [key_term(key) for key in keys]
        found = self._entities(lambda reader: _with_any(reader, f"key{level}", terms))
        return {entity.identity.key: entity for entity in found}

    def search(self, level: Level, where: Node) -> Iterator[Entity]:
        """Candidates for ``where``, from the commit that is newest now."""
        plan = plans.plan(where)
        return self._entities(lambda reader: _resolve(reader, f"terms{level}", plan))

    def children(self, level: Level, parent: Identity) -> Iterator[Entity]:
        """The entities of ``level`` below ``parent``."""
        term = parent_term(parent)
        found = self._entities(lambda reader: _with_any(reader, f"terms{level}", [term]))
        return (entity for entity in found if is_below(entity.identity, parent))

    def count(self, level: Level) -> int:
        """How many entities of ``level`` there are."""
        reader = self._reader()
        try:
            field = f"terms{level}"
            if not reader.has_deletions():
                return int(reader.doc_frequency(field, EVERY))
            return sum(not reader.is_deleted(number) for number in _with_any(reader, field, [EVERY]))
        finally:
            reader.close()

    def clear(self) -> None:
        """Drop everything, and note that a rebuild has to follow."""
        with self._lock:
            index = self._opened_to_write()
            self._folder.begin_anew()
            try:
                writer = _writer(index)
                writer.commit(mergetype=lambda writer, segments: [])
            except _Failures as error:
                raise IndexUnavailable(f"The index cannot be written: {error}.") from error

    def close(self) -> None:
        """Release the files."""
        with self._lock:
            index, self._index = self._index, None
            if index is not None:
                index.close()

    def _opened(self) -> Any:
        if self._index is None:
            raise IndexUnavailable("The index is closed. Open it again.")
        return self._index

    def _opened_to_write(self) -> Any:
        index = self._opened()
        if not self._writable:
            raise IndexUnavailable("This process may only read the index; the server writes it.")
        self._check_lease()
        return index

    def _reader(self) -> Any:
        """A reader of the newest commit. Each call has its own: readers keep positions in their files."""
        index = self._opened()
        try:
            return index.reader()
        except _Failures as error:
            raise IndexUnavailable(f"The index cannot be read: {error}.") from error

    def _entities(self, find: Callable[[Any], set[int]]) -> Iterator[Entity]:
        """The entities of the documents that ``find`` finds, from one commit."""
        return _read(self._reader(), find)


def _read(reader: Any, find: Callable[[Any], set[int]]) -> Iterator[Entity]:
    try:
        for number in sorted(find(reader)):
            if not reader.is_deleted(number):
                stored = reader.stored_fields(number)
                yield unpack(stored["core"], lambda rest=stored["rest"]: rest)  # type: ignore[misc]
    except _Failures as error:
        raise IndexUnavailable(f"The index cannot be read: {error}. {ADVICE}") from error
    finally:
        reader.close()


def _resolve(reader: Any, field: str, plan: plans.Plan) -> set[int]:
    """The numbers of the documents that ``plan`` admits, deleted ones among them."""
    match plan:
        case plans.All():
            return _with_any(reader, field, [EVERY])
        case plans.Nothing():
            return set()
        case plans.AnyTerm(terms):
            return _with_any(reader, field, terms)
        case plans.Prefix(text):
            return _with_any(reader, field, list(reader.expand_prefix(field, text)))
        case plans.Pattern(prefix, expression):
            fits = re.compile(plans.escape(prefix) + expression, re.DOTALL).fullmatch
            terms_of_prefix = list(reader.expand_prefix(field, prefix))
            return _with_any(reader, field, [term for term in terms_of_prefix if fits(term.decode())])
        case plans.Both(children):
            found = _resolve(reader, field, children[0])
            for child in children[1:]:
                if found:
                    found &= _resolve(reader, field, child)
            return found
        case plans.Either(children):
            return set().union(*(_resolve(reader, field, child) for child in children))


def _with_any(reader: Any, field: str, terms: Sequence[str | bytes]) -> set[int]:
    found: set[int] = set()
    for term in terms:
        if (field, term) in reader:
            found.update(reader.postings(field, term).all_ids())
    return found


def _writer(index: Any) -> Any:
    writer = index.writer(limitmb=HEAP_MEGABYTES)
    add_postings = writer.fieldwriter.add_postings
    # With each posting whoosh looks for a file of field lengths. Ours have none: half of the time is saved.
    writer.fieldwriter.add_postings = lambda schema, lengths, postings: add_postings(schema, None, postings)
    return writer


def _delete(writer: Any, reader: Any, level: Level, key: str) -> None:
    """Delete what ``key`` has in the index as it was when ``writer`` began."""
    for number in _with_any(reader, f"key{level}", [key]):
        if not reader.is_deleted(number) and not writer.is_deleted(number):
            writer.delete_document(number)


def _cancel(writer: Any) -> None:
    if writer is not None and not writer.is_closed:
        try:
            writer.cancel()
        except Exception as error:  # the first failure is the one to tell
            logger.debug("A failed writer could not be cancelled: %s", error)
        if writer.writelock.fd is not None:
            writer.writelock.release()


def _merge_equals(writer: Any, segments: list[Any]) -> list[Any]:
    """Merge segments of one order of size when there are enough of them, so that a document moves seldom."""
    sizes: dict[int, list[Any]] = {}
    kept = []
    for segment in segments:
        count = segment.doc_count()
        if count:
            order = (count.bit_length() - 1) // 3
            sizes.setdefault(order, []).append(segment)
    for alike in sizes.values():
        if len(alike) < SEGMENTS_OF_A_SIZE:
            kept += alike
            continue
        for segment in alike:
            reader = whoosh.reading.SegmentReader(writer.storage, writer.schema, segment)
            writer.add_reader(reader)
            reader.close()
    return kept


class _Terms(whoosh.fields.FieldType):  # type: ignore[misc]
    """A field of terms that are made already and joined by spaces; nothing but their being there is kept."""

    def __init__(self) -> None:
        self.format = whoosh.formats.Existence()
        self.analyzer = None
        self.scorable = False
        self.stored = False
        self.unique = False
        self.vector = None

    def index(self, value: str, **_: Any) -> Iterator[tuple[bytes, int, float, bytes]]:
        """Whoosh's form of the terms in ``value``."""
        for term in set(value.split(" ")):
            yield term.encode(), 1, 1.0, b""


class _DurableStorage(whoosh.filedb.filestore.FileStorage):  # type: ignore[misc]
    """Files that are on the disk before the table of contents names them; whoosh does not see to it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._created: set[str] = set()
        self._read: weakref.WeakSet[Any] = weakref.WeakSet()

    def create_file(self, name: str, *arguments: Any, **options: Any) -> Any:
        self._created.add(name)
        return super().create_file(name, *arguments, **options)

    def open_file(self, name: str, *arguments: Any, **options: Any) -> Any:
        file = super().open_file(name, *arguments, **options)
        self._read.add(file)
        return file

    def close_files(self) -> None:
        """Close what a failed opening has left open."""
        for file in list(self._read):
            if not file.is_closed:
                file.close()

    def rename_file(self, oldname: str, newname: str, safe: bool = False) -> None:
        created, self._created = self._created, set()
        for name in created:
            if self.file_exists(name):
                _sync(self._fpath(name))
        super().rename_file(oldname, newname, safe=safe)
        _sync(self.folder)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _schema() -> Any:
    fields: dict[str, Any] = {"core": whoosh.fields.STORED, "rest": whoosh.fields.STORED}
    for level in Level:
        fields[f"key{level}"] = _Terms()
        fields[f"terms{level}"] = _Terms()
    return whoosh.fields.Schema(**fields)

"""Import: Part 10 files (PS3.10) from folders into the archive, or indexed where they lie.

A batch shares its waits: all drafts are synced side by side, the journal and each folder once. Nothing is
told as stored before all that is done. A refused file stays where it is; the answer says why.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pacs.archive.examine import Examined, examine
from pacs.archive.observer import Caller
from pacs.archive.store import Incoming, Outcome, Store, Stored
from pacs.archive.wholeness import check_whole
from pacs.dicom import tags
from pacs.dicom.file_meta import FileMeta, read_file_meta
from pacs.dicom.header import Header
from pacs.dicom.reader import read_header_from
from pacs.dicom.uid import check_uid
from pacs.errors import NotFound, OutOfResources, PacsError, UnreadableDataSet
from pacs.index.hierarchy import StoredInstance
from pacs.storage.in_place import location_of

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""The SOP class of a DICOMDIR (PS3.10 section 8)."""

WHOLE_FILE_BYTES = 1 << 20
"""A file no longer than this is read in one call; longer ones block by block."""


@dataclass(frozen=True, slots=True)
class _Readable:
    """A file that may be imported, at its data set. ``size`` is that of the file."""

    file: BinaryIO
    meta: FileMeta
    header: Header
    size: int


class PartTenImport:
    """Imports files through ``store``."""

    def __init__(self, store: Store, caller: Caller) -> None:
        self._store = store
        self._caller = caller

    def import_files(self, paths: Sequence[Path], *, in_place: bool) -> list[Stored | PacsError]:
        """What became of each of ``paths``; on return all that is told as stored is durable."""
        return self._index_in_place(paths) if in_place else self._copy(paths)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _copy(self, paths: Sequence[Path]) -> list[Stored | PacsError]:
        answers: dict[int, Stored | PacsError] = {}
        batch: list[tuple[int, Incoming, Examined]] = []
        uids: set[str] = set()
        for position, path in enumerate(paths):
            try:
                incoming, examined = self._draft(path)
            except PacsError as error:
                answers[position] = error
                continue
            if incoming.meta.sop_instance_uid in uids:
                # Its like goes first: this one is then a duplicate of it, or in conflict with it.
                self._keep(batch, answers)
                batch, uids = [], set()
            uids.add(incoming.meta.sop_instance_uid)
            batch.append((position, incoming, examined))
        self._keep(batch, answers)
        return [answers[position] for position in range(len(paths))]

    def _keep(
        self, batch: list[tuple[int, Incoming, Examined]], answers: dict[int, Stored | PacsError]
    ) -> None:
        kept = self._store.keep_all([(incoming, examined) for _, incoming, examined in batch])
        for (position, incoming, _), answer in zip(batch, kept, strict=True):
            incoming.abort()
            answers[position] = answer

    def _draft(self, path: Path) -> tuple[Incoming, Examined]:
        with _open(path) as file:
            readable = _read(file)
            examined = _place(readable)
            incoming = self._store.begin(
                sop_class_uid=readable.header.text(tags.SOP_CLASS_UID),
                sop_instance_uid=readable.header.text(tags.SOP_INSTANCE_UID),
                transfer_syntax_uid=readable.meta.transfer_syntax_uid,
                caller=self._caller,
            )
            try:
                while block := file.read(WHOLE_FILE_BYTES):
                    incoming.write(block)
            except OSError as error:
                incoming.abort()
                raise _unreadable(error) from error
        return incoming, examined

    def _index_in_place(self, paths: Sequence[Path]) -> list[Stored | PacsError]:
        answers: dict[int, Stored | PacsError] = {}
        batch: list[tuple[int, StoredInstance]] = []
        for position, path in enumerate(paths):
            try:
                with _open(path) as file:
                    readable = _read(file)
                    _place(readable)
                location = location_of(path, readable.meta.transfer_syntax_uid)
            except PacsError as error:
                answers[position] = error
                continue
            batch.append((position, StoredInstance(readable.header, location)))
            size = readable.size - readable.meta.length
            answers[position] = Stored(Outcome.STORED, batch[-1][1].sop_instance_uid, size)
        try:
            self._store.index_in_place([instance for _, instance in batch])
        except OutOfResources as error:
            answers.update((position, error) for position, _ in batch)
        return [answers[position] for position in range(len(paths))]


def _open(path: Path) -> BinaryIO:
    try:
        file = open(path, "rb")  # noqa: SIM115 - it is the caller's
        size = os.fstat(file.fileno()).st_size
        if size > WHOLE_FILE_BYTES:
            return file
        with file:
            return io.BytesIO(file.read())
    except OSError as error:
        raise _unreadable(error) from error


def _read(file: BinaryIO) -> _Readable:
    """Read and check the file; it then stands at its data set. Raises UnreadableDataSet."""
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        meta = read_file_meta(file)
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            raise UnreadableDataSet("A DICOMDIR lists instances, it is none.")
        header = read_header_from(file, meta.transfer_syntax_uid)
        check_whole(file, meta.length, size, meta.transfer_syntax_uid)
        file.seek(meta.length)
    except OSError as error:
        raise _unreadable(error) from error
    return _Readable(file, meta, header, size)


def _place(readable: _Readable) -> Examined:
    """Where the instance belongs: by its data set alone, as File Meta Information is often out of date.

    Raises UnreadableDataSet, InvalidUID.
    """
    header = readable.header
    sop_class_uid = check_uid(header.text(tags.SOP_CLASS_UID) or readable.meta.sop_class_uid)
    sop_instance_uid = check_uid(header.text(tags.SOP_INSTANCE_UID))
    return examine(header, sop_class_uid, sop_instance_uid)


def _unreadable(error: OSError) -> NotFound:
    return NotFound(f"The file cannot be read: {os.strerror(error.errno or 0)}.")

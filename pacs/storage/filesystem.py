"""The Storage protocol on a file system, local or NFS (EFS).

An object is written to a draft under ``<root>/.incoming``, synced, linked to its place (a link never
overwrites, a rename would) and its folder synced. Whatever is cut off by a crash is a draft, and drafts of
processes that are no more are removed at the next start: no reader ever sees half an object.

Each operating-system call may be a round trip of milliseconds. A store into a known folder takes: open,
write, fdatasync, close, link, unlink, fsync of the folder.

A small object that was lent to a journal (``FileDraft.lend``) is written and linked alike, but synced by
``settle`` only, with all others. After a crash of the host it may be missing, short or damaged, until
``restore`` was called with what the journal holds.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

from pacs.dicom.location import Location
from pacs.errors import NotFound, OutOfResources
from pacs.storage import layout
from pacs.storage.folder import Folder, Folders
from pacs.storage.presence import is_alive, open_locked, producer_name
from pacs.storage.protocol import Draft
from pacs.storage.settling import Settling
from pacs.storage.space import Space

logger = logging.getLogger(__name__)

INCOMING = ".incoming"
SYNCS_AT_ONCE = 8
GATHER_BYTES = 64 * 1024
"""Writes smaller than this are gathered, so that a sender with tiny PDUs does not cost a call each."""


def refuse(error: OSError) -> NoReturn:
    """Raise OutOfResources for what the operating system refused, in words."""
    raise OutOfResources(
        f"Storage cannot be written: {os.strerror(error.errno or 0)}."
        " Free or add space, or make the folder writable, then send again."
    ) from error


_UNOPENED, _GONE = -1, -2
"""Instead of the descriptor of a draft's file: before it was made, and after it was closed."""

Buffer: TypeAlias = "bytes | bytearray | memoryview"


class FileDraft:
    """An object being written to ``path``; see ``Draft``."""

    def __init__(self, storage: FilesystemStorage, path: str, transfer_syntax_uid: str) -> None:
        self._storage = storage
        self._path = path
        self._transfer_syntax_uid = transfer_syntax_uid
        self._gathered = bytearray()
        self._descriptor = _UNOPENED
        self._synced = False
        self._lent = False
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises OutOfResources, after which the draft is gone."""
        self.size += len(data)
        self._synced = False
        gathered = self._gathered
        if len(gathered) + len(data) <= GATHER_BYTES:
            if self._descriptor == _GONE:
                self._refuse_gone()
            gathered += data
            return
        self._open()
        if len(data) < GATHER_BYTES:
            self._flush()
            self._gathered += data
            return
        try:
            self._storage.take(len(gathered) + len(data))
            if gathered:
                written = os.writev(self._descriptor, (gathered, data))
            else:
                written = os.write(self._descriptor, data)
            rest = written - len(gathered)
            if rest < len(data):
                self._finish_write(gathered, data, written)
            gathered.clear()
        except OSError as error:
            self.discard()
            refuse(error)
        except OutOfResources:
            self.discard()
            raise

    def lend(self) -> bytearray | None:
        """The whole object, where it is small: who takes it makes it durable. See ``Draft.lend``."""
        if self._descriptor != _UNOPENED or not self._gathered:
            return None
        self._lent = True
        return self._gathered

    def sync(self) -> None:
        """Make what was written durable, not yet visible. Raises OutOfResources, the draft is then gone.

        What was lent is only written: whatever refuses that does so now.
        """
        if self._synced:
            return
        self._flush()
        if self._lent:
            self._synced = True
            return
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self.discard()
            refuse(error)
        self._synced = True

    def publish(self, uri: str) -> Location | None:
        """Make the object durable under ``uri``; None where that is taken. See ``Draft.publish``."""
        placed = self.place(uri)
        if placed is None:
            return None
        folder, location = placed
        if self._lent:
            return location
        try:
            folder.sync()
        except OSError as error:
            self._storage.remove(uri)
            refuse(error)
        return location

    def place(self, uri: str) -> tuple[Folder, Location] | None:
        """The first half of ``publish``: visible, but durable only once the folder is synced."""
        layout.uids_of(uri)
        self.sync()
        try:
            folder = self._storage.link(self._path, uri, durable=not self._lent)
        except OSError as error:
            self.discard()
            refuse(error)
        if folder is None:
            return None
        self.discard()
        return folder, Location(uri, self._transfer_syntax_uid, self.size, time.time_ns())

    def reopen(self) -> BinaryIO:
        """What was written so far, to read from its beginning. Raises OutOfResources."""
        self._flush()
        return open(self._path, "rb")

    def discard(self) -> None:
        """Forget the draft; harmless after ``publish``."""
        descriptor, self._descriptor = self._descriptor, _GONE
        if descriptor < 0:
            return
        os.close(descriptor)
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            # Left for the next start, which removes drafts of processes that are gone.
            logger.warning("A draft cannot be removed: %s", os.strerror(error.errno or 0))

    @property
    def path(self) -> str:
        """Where the draft is."""
        return self._path

    @property
    def lent(self) -> bool:
        """Whether somebody else sees to it that the object is durable."""
        return self._lent

    def _open(self) -> None:
        """Make the file, if it is not there yet: small objects wait until they are whole."""
        if self._descriptor >= 0:
            return
        if self._descriptor == _GONE:
            self._refuse_gone()
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o640)
        except OSError as error:
            refuse(error)

    def _refuse_gone(self) -> NoReturn:
        raise OutOfResources("The draft could not be written and is gone.")

    def _flush(self) -> None:
        self._open()
        gathered = self._gathered
        if not gathered:
            return
        try:
            self._storage.take(len(gathered))
            self._finish_write(gathered, b"", 0)
            # Not cleared: it may be lent.
            self._gathered = bytearray()
        except OSError as error:
            self.discard()
            refuse(error)
        except OutOfResources:
            self.discard()
            raise

    def _finish_write(self, first: bytearray, second: Buffer, written: int) -> None:
        """Write what is left of both after ``written`` bytes of them: a write may be a short one."""
        for whole in (first, second):
            with memoryview(whole) as part:
                done = min(written, len(part))
                written -= done
                while done < len(part):
                    with part[done:] as rest:
                        done += os.write(self._descriptor, rest)


def _try_to_sync(entry: tuple[Draft, str]) -> None:
    # Publishing the draft tells the error in its place.
    with contextlib.suppress(OutOfResources):
        entry[0].sync()


class FilesystemStorage:
    """Objects as files under ``root``; see ``Storage``. Several processes may share a root.

    ``create`` and ``write`` refuse where less than ``reserve_bytes`` would stay free.
    """

    def __init__(self, root: Path, reserve_bytes: int) -> None:
        self._root = root
        self._incoming = root / INCOMING
        self._space = Space(root, reserve_bytes)
        self._folders = Folders(root)
        self._producer = producer_name()
        self._sequence = itertools.count()
        try:
            self._incoming.mkdir(mode=0o750, parents=True, exist_ok=True)
            # Open from the beginning: it tells of write errors since then.
            self._settling = Settling(root)
            self._presence = open_locked(self._incoming / f"{self._producer}.lock", os.O_RDWR | os.O_CLOEXEC)
            self._remove_drafts_of_the_dead()
        except OSError as error:
            refuse(error)

    def create(self, transfer_syntax_uid: str) -> FileDraft:
        """Begin an object. Raises OutOfResources where free space is under the reserve."""
        try:
            if self._space.free() <= 0:
                self._no_room()
            path = f"{self._incoming}/{self._producer}-{next(self._sequence):x}"
            return FileDraft(self, path, transfer_syntax_uid)
        except OSError as error:
            refuse(error)

    def publish_all(
        self, drafts: Sequence[tuple[Draft, str]], when_synced: Callable[[], None]
    ) -> list[Location | OutOfResources | None]:
        """Publish many at once: drafts are synced side by side, each folder once."""
        if sum(not (isinstance(draft, FileDraft) and draft.lent) for draft, _ in drafts) > 1:
            with ThreadPoolExecutor(SYNCS_AT_ONCE) as pool:
                list(pool.map(_try_to_sync, drafts))
        else:
            for entry in drafts:
                _try_to_sync(entry)
        when_synced()
        answers: list[Location | OutOfResources | None] = []
        touched: dict[int, tuple[Folder, list[int]]] = {}
        for position, (draft, uri) in enumerate(drafts):
            if not isinstance(draft, FileDraft):
                raise TypeError("Only drafts of this storage can be published in it.")
            try:
                placed = draft.place(uri)
            except OutOfResources as error:
                answers.append(error)
                continue
            answers.append(placed and placed[1])
            if placed and not draft.lent:
                touched.setdefault(id(placed[0]), (placed[0], []))[1].append(position)
        for folder, positions in touched.values():
            try:
                folder.sync()
            except OSError as error:
                failure = OutOfResources(f"Storage cannot be written: {os.strerror(error.errno or 0)}.")
                for position in positions:
                    self.remove(drafts[position][1])
                    answers[position] = failure
        return answers

    def open(self, uri: str) -> BinaryIO:
        """The object, seekable. Raises NotFound."""
        layout.uids_of(uri)
        try:
            return open(self._root / uri, "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound("The stored object is gone; `pacs verify` compares index and storage.") from None
        except OSError as error:
            raise NotFound(f"The stored object cannot be read: {os.strerror(error.errno or 0)}.") from error

    def size(self, uri: str) -> int | None:
        """Bytes of the object; None where there is none."""
        layout.uids_of(uri)
        try:
            return os.stat(self._root / uri).st_size
        except OSError:
            return None

    def settle(self, uris: Collection[str]) -> None:
        """Make the objects ``uris``, in their places and not synced before, durable. Raises OSError."""
        self._settling.settle(uris)

    def restore(self, uri: str, content: bytes) -> bool:
        """See that ``uri`` holds ``content``, durably; tell if it was written. Raises OutOfResources."""
        layout.uids_of(uri)
        try:
            with open(self._root / uri, "rb", buffering=0) as file:
                if file.read(len(content) + 1) == content:
                    return False
        except FileNotFoundError:
            pass
        except OSError as error:
            refuse(error)
        draft = self.create("")
        draft.write(content)
        draft.sync()
        try:
            folder = self._folders.open(uri.rpartition("/")[0])
            os.rename(draft.path, self._root / uri)
            folder.sync()
        except OSError as error:
            refuse(error)
        finally:
            draft.discard()
        return True

    def remove(self, uri: str) -> None:
        """Delete the object, and its folders where they are empty then; harmless where it is gone."""
        layout.uids_of(uri)
        try:
            os.unlink(self._root / uri)
        except FileNotFoundError:
            pass
        except OSError as error:
            refuse(error)
        self._space.refresh()
        self._folders.remove_if_empty(uri.rpartition("/")[0])

    def walk(self) -> Iterator[str]:
        """The ``uri`` of every published object, in order of path; one series in memory at a time."""
        for bucket in self._names(""):
            if bucket == INCOMING:
                continue
            for study in self._names(bucket):
                for series in self._names(f"{bucket}/{study}"):
                    for name in self._names(f"{bucket}/{study}/{series}"):
                        uri = f"{bucket}/{study}/{series}/{name}"
                        try:
                            layout.uids_of(uri)
                        except (NotFound, ValueError):
                            continue
                        yield uri

    def free(self) -> int | None:
        """Bytes that may still be written, over the reserve."""
        try:
            return max(0, self._space.free())
        except OSError as error:
            refuse(error)

    def close(self) -> None:
        """Give up our drafts: nothing can be created afterwards."""
        self._settling.close()
        if self._presence >= 0:
            os.close(self._presence)
            self._presence = -1
            (self._incoming / f"{self._producer}.lock").unlink(missing_ok=True)

    def take(self, size: int) -> None:
        """Reckon with ``size`` bytes more. Raises OutOfResources where they do not fit, OSError."""
        if not self._space.take(size):
            self._no_room()

    def link(self, draft: str, uri: str, *, durable: bool) -> Folder | None:
        """Link ``draft`` to ``uri``; None where that is taken. Raises OSError, and leaves no folder then."""
        relative, _, name = uri.rpartition("/")
        for last in (False, True):
            try:
                folder = self._folders.open(relative, durable=durable)
                os.link(draft, name, dst_dir_fd=folder.descriptor)
            except FileExistsError:
                return None
            except FileNotFoundError:
                # The folder we know was removed, as empty, by whoever deleted its last object.
                self._folders.forget(relative)
                if last:
                    raise
            except OSError:
                self._space.refresh()
                self._folders.remove_if_empty(relative)
                raise
            else:
                return folder
        raise AssertionError("unreachable")

    def _names(self, relative: str) -> list[str]:
        try:
            return sorted(os.listdir(self._root / relative))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _no_room(self) -> NoReturn:
        raise OutOfResources(
            "Storage is full up to its reserve. Add space or delete studies, then send again."
        )

    def _remove_drafts_of_the_dead(self) -> None:
        dead: dict[str, bool] = {self._producer: False}
        for entry in os.scandir(self._incoming):
            if entry.name.startswith("."):
                continue
            of_lock = entry.name.endswith(".lock")
            producer = entry.name.removesuffix(".lock") if of_lock else entry.name.rpartition("-")[0]
            if producer not in dead:
                dead[producer] = not is_alive(self._incoming / f"{producer}.lock")
            if dead[producer] and not of_lock:
                Path(entry.path).unlink(missing_ok=True)
        for producer, gone in dead.items():
            if gone:
                (self._incoming / f"{producer}.lock").unlink(missing_ok=True)

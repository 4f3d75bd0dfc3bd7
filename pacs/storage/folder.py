"""Folders of the archive: made once, durable before anything in them is, and remembered while in use.

On a network file system every call is a round trip, so a folder that is known costs nothing here, and its
open descriptor serves for linking into it and for the fsync after that.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock

KNOWN_FOLDERS = 256
"""Folders held open at most; a busy archive stores into one for each association."""


class Folder:
    """An open folder. The descriptor closes when nobody holds the object any more."""

    __slots__ = ("descriptor", "durable")

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.durable = durable
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def sync(self) -> None:
        """Make the folder's entries durable."""
        os.fsync(self.descriptor)


class Folders:
    """The folders under ``root``, by relative path. Safe from many threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        self._known: OrderedDict[str, Folder] = OrderedDict()

    def open(self, relative: str, *, durable: bool = True) -> Folder:
        """The folder ``relative``, made where it is missing. Raises OSError.

        Where it must be ``durable``, it is up to the root: a folder that this process meets for the first
        time has its parent synced even where it exists, as whoever made it may not have come to that yet.
        """
        with self._lock:
            folder = self._known.get(relative)
            if folder is not None:
                self._known.move_to_end(relative)
                if folder.durable or not durable:
                    return folder
        folder = self._make(relative, durable)
        with self._lock:
            self._known[relative] = folder
            if len(self._known) > KNOWN_FOLDERS:
                self._known.popitem(last=False)
        return folder

    def forget(self, relative: str) -> None:
        """``relative`` may be gone: look again next time, and at what is above it."""
        with self._lock:
            while relative:
                self._known.pop(relative, None)
                relative = relative.rpartition("/")[0]

    def remove_if_empty(self, relative: str) -> None:
        """Remove the folder and those above it, up to the first that holds something."""
        while relative:
            try:
                os.rmdir(self._root / relative)
            except FileNotFoundError:
                pass
            except OSError:
                return
            with self._lock:
                self._known.pop(relative, None)
            relative = relative.rpartition("/")[0]

    def _make(self, relative: str, durable: bool) -> Folder:
        path = self._root / relative
        if not relative:
            return Folder(path, durable=True)
        above = relative.rpartition("/")[0]
        parent = self.open(above, durable=durable)
        try:
            os.mkdir(os.path.basename(relative), 0o750, dir_fd=parent.descriptor)
        except FileExistsError:
            pass
        except FileNotFoundError:
            # The remembered parent was removed by another process: begin anew from the root.
            self.forget(above)
            parent = self.open(above, durable=durable)
            os.mkdir(os.path.basename(relative), 0o750, dir_fd=parent.descriptor)
        folder = Folder(path, durable=durable)
        if durable:
            parent.sync()
        return folder

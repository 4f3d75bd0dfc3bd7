"""Makes many files durable at once: by one syncfs where the platform has it, else file by file."""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path

logger = logging.getLogger(__name__)

SINGLY = 4
"""As many files or fewer are synced one by one: that leaves other writers of the file system alone."""


class Settling:
    """Syncs files under ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._syncfs = _syncfs()
        self._descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def settle(self, uris: Collection[str]) -> None:
        """Make the files ``uris`` and their entries in their folders durable. Raises OSError.

        Files that are gone are passed over.
        """
        if not uris:
            return
        if len(uris) > SINGLY and self._syncfs is not None and self._descriptor >= 0:
            try:
                self._syncfs(self._descriptor)
            except OSError as error:
                logger.warning("Files are synced one by one: %s", error.strerror)
            else:
                return
        for uri in uris:
            _sync(self._root / uri)
        folders = set()
        for uri in uris:
            while uri:
                uri = os.path.dirname(uri)
                folders.add(uri)
        for folder in folders:
            _sync(self._root / folder)

    def close(self) -> None:
        """Files are synced one by one from now on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _syncfs() -> Callable[[int], None] | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).syncfs
    except (AttributeError, OSError):
        return None

    def call(descriptor: int) -> None:
        if function(ctypes.c_int(descriptor)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return call

"""Quarantine: objects that the archive did not take, as received, each with a note that says why.

Two files an object in one folder: ``<id>.dcm``, the bytes, and ``<id>.json``, the note. An object is in
quarantine once its note is there; the note is written last. Notes hold no patient attribute.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from pacs.errors import NotFound, OutOfResources
from pacs.storage.presence import producer_name
from pacs.storage.space import Space

logger = logging.getLogger(__name__)

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Why an object is in quarantine. ``reason`` is a code, ``words`` explain it.

    ``source`` is the path of an imported file. ``received`` is in seconds since 1970 (UTC), ``size``
    in bytes.
    """

    reason: str
    words: str
    received: float
    size: int
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    transfer_syntax_uid: str = ""
    calling_ae_title: str = ""
    called_ae_title: str = ""
    address: str = ""
    source: str = ""


class Quarantine:
    """Objects under ``folder``. Refuses what would leave less than ``reserve_bytes`` free."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise _refused(error) from error
        self._space = Space(folder, reserve_bytes)
        self._decoder = msgspec.json.Decoder(Note)

    def add(self, source: BinaryIO, note: Note) -> str:
        """Keep what ``source`` holds from its position on, durable on return; the object's identifier.

        Raises OutOfResources, and keeps nothing then.
        """
        identifier = f"{time.time_ns():020d}-{producer_name()}"
        data, json = self._folder / f"{identifier}.dcm", self._folder / f"{identifier}.json"
        try:
            if not self._space.take(note.size):
                raise OutOfResources("Quarantine is full up to the reserve. Empty it, or add space.")
            with open(data, "xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
            with open(json.with_suffix(".new"), "xb") as target:
                target.write(msgspec.json.format(msgspec.json.encode(note)))
                target.flush()
                os.fsync(target.fileno())
            os.rename(json.with_suffix(".new"), json)
            self._sync_folder()
        except OSError as error:
            for path in (json, json.with_suffix(".new"), data):
                path.unlink(missing_ok=True)
            raise _refused(error) from error
        logger.warning("Into quarantine: %s (%s)", note.words, identifier)
        return identifier

    def identifiers(self) -> Iterator[str]:
        """What is in quarantine, oldest first."""
        return iter(sorted(path.stem for path in self._folder.glob("*.json")))

    def count(self) -> int:
        """How many objects are in quarantine."""
        with os.scandir(self._folder) as entries:
            return sum(entry.name.endswith(".json") for entry in entries)

    def note(self, identifier: str) -> Note:
        """The note of an object. Raises NotFound."""
        try:
            return self._decoder.decode(self._path(identifier, ".json").read_bytes())
        except (OSError, msgspec.MsgspecError) as error:
            raise NotFound("No such object is in quarantine.") from error

    def open(self, identifier: str) -> BinaryIO:
        """The bytes of an object. Raises NotFound."""
        try:
            return open(self._path(identifier, ".dcm"), "rb")
        except OSError as error:
            raise NotFound("No such object is in quarantine.") from error

    def remove(self, identifier: str) -> None:
        """Delete an object; harmless where it is gone. Raises NotFound for what is no identifier."""
        for suffix in (".json", ".dcm"):
            self._path(identifier, suffix).unlink(missing_ok=True)
        self._space.refresh()

    def _path(self, identifier: str, suffix: str) -> Path:
        if not identifier or not _NAME_CHARACTERS.issuperset(identifier) or identifier.startswith("."):
            raise NotFound("No such object is in quarantine.")
        return self._folder / f"{identifier}{suffix}"

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _refused(error: OSError) -> OutOfResources:
    return OutOfResources(
        f"Quarantine cannot be written: {os.strerror(error.errno or 0)}."
        " Free space in the data folder, or make it writable."
    )

"""The folder of an index on disk: which version wrote it, and whether it holds all that storage holds.

An index is derived from storage and may be thrown away at any time; this module says when it must be.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from pacs.errors import IndexUnavailable
from pacs.index.record import RECORD_VERSION

ADVICE = "Run `pacs rebuild` to make the index anew from storage."


class IndexFolder:
    """A folder with the engine's files in ``files``, and beside them what the appliance knows about these.

    ``engine`` names the engine and the version of its files; with ``RECORD_VERSION`` it decides whether the
    files can be used.
    """

    def __init__(self, path: Path, engine: str) -> None:
        self.files = path / "files"
        self._path = path
        self._version = path / "version.json"
        self._incomplete = path / "incomplete"
        self._wanted = {"engine": engine, "record": RECORD_VERSION}

    def is_current(self) -> bool:
        """Whether there are files, and of the version that this program reads."""
        try:
            return self.files.is_dir() and bool(json.loads(self._version.read_bytes()) == self._wanted)
        except (OSError, ValueError):
            return False

    def check_readable(self) -> None:
        """Raise IndexUnavailable where there is nothing that this program could read."""
        if not self._path.is_dir():
            raise IndexUnavailable(f"There is no index in {self._path}. {ADVICE}")
        if not self.is_current():
            raise IndexUnavailable(
                f"The index in {self._path} is of another version of this program. {ADVICE}"
            )

    def prepare(self) -> bool:
        """Make the folder ready for writing; True where what was there was of no use and is gone.

        Raises IndexUnavailable where the folder cannot be written.
        """
        if self.is_current():
            return False
        self.empty()
        return True

    def empty(self) -> None:
        """Drop all files of the engine, and note that the index does not hold what storage holds."""
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            self.begin_anew()
            self._version.unlink(missing_ok=True)
            if self.files.exists():
                shutil.rmtree(self.files)
            self.files.mkdir()
            draft = self._version.with_suffix(".new")
            with draft.open("w") as file:
                json.dump(self._wanted, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._version)
        except OSError as error:
            raise IndexUnavailable(
                f"The index folder {self._path} cannot be written: {error.strerror}."
            ) from error

    def begin_anew(self) -> None:
        """Note, durably and before anything goes, that the index will not hold what storage holds.

        Raises IndexUnavailable.
        """
        try:
            self._incomplete.touch()
            folder = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise IndexUnavailable(
                f"The index folder {self._path} cannot be written: {error.strerror}."
            ) from error

    @property
    def needs_rebuild(self) -> bool:
        """Whether the index was begun anew and has not been filled from storage since."""
        return self._incomplete.exists()

    def rebuilt(self) -> None:
        """Note that the index holds what storage holds."""
        self._incomplete.unlink(missing_ok=True)

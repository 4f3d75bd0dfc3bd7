"""Instances indexed where they lie: read-only, outside the storage, named by absolute path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pacs.dicom.location import Location
from pacs.errors import NotFound


def location_of(path: Path, transfer_syntax_uid: str) -> Location:
    """The file at ``path`` as it is now. Raises NotFound."""
    absolute = os.path.abspath(path)
    try:
        found = os.stat(absolute)
    except OSError as error:
        raise NotFound(f"The file cannot be read: {os.strerror(error.errno or 0)}.") from error
    return Location(absolute, transfer_syntax_uid, found.st_size, found.st_mtime_ns)


def open_in_place(location: Location) -> BinaryIO:
    """The file, as it was when it was indexed. Raises NotFound where it is gone or was changed since."""
    try:
        file = open(location.uri, "rb", buffering=0)  # noqa: SIM115 - it is the caller's
    except OSError as error:
        raise NotFound(
            f"A file indexed in place cannot be read: {os.strerror(error.errno or 0)}."
            " Restore it, or run `pacs verify --repair` to forget it."
        ) from error
    found = os.fstat(file.fileno())
    if (found.st_size, found.st_mtime_ns) != (location.size, location.mtime_ns):
        file.close()
        raise NotFound("A file indexed in place was changed since. Run `pacs index --in-place` on it again.")
    return file

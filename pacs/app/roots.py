"""The folders that were indexed in place, so that an index made anew finds their files again.

What is stored can be walked; files elsewhere are only known to the index, which is disposable. One path a
line, as JSON; lines are only ever added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pacs.dicom.location import Location
from pacs.errors import NotFound, OutOfResources, Unavailable
from pacs.ingest.bulk import walk
from pacs.storage.in_place import location_of


class Roots:
    """The folders and files kept in the file ``path``, which need not exist."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[Path]:
        """Every root. Raises Unavailable where the file cannot be read."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise Unavailable(
                f"The folders indexed in place, in {self._path}, cannot be read: {error}"
            ) from error
        return list(dict.fromkeys(Path(json.loads(line)) for line in lines if _is_whole(line)))

    def add(self, roots: Sequence[Path]) -> None:
        """Remember ``roots``, durably. Raises OutOfResources, Unavailable."""
        known = self.all()
        new = [root for root in roots if not any(root.is_relative_to(other) for other in known)]
        if not new:
            return
        # The line break comes first: it ends what a crash may have left of an earlier line.
        data = "".join(f"\n{json.dumps(str(root))}" for root in new) + "\n"
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutOfResources(f"{self._path} cannot be written: {error.strerror}") from error

    def locations(self) -> Iterator[Location]:
        """Every file under the roots, as it is now, whatever it holds."""
        for path in walk(self.all()):
            try:
                yield location_of(path, "")
            except NotFound:
                continue


def _is_whole(line: str) -> bool:
    try:
        return isinstance(json.loads(line), str)
    except ValueError:
        return False

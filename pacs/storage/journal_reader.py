"""The consumer's side of the journal: records of other processes, living or dead."""

from __future__ import annotations

import os
from pathlib import Path

from pacs.storage.journal import MAGIC, SUFFIX, Entry, Journal, Segment, decode_records
from pacs.storage.presence import is_alive

READ_BYTES = 1 << 20
"""Read from one segment at a time."""


class JournalReader:
    """Reads the segments in a journal's folder, but for those of ``own``, which come through memory.

    One for each journal: its owner holds the lease of the index. Used by one thread.
    """

    def __init__(self, own: Journal) -> None:
        self._own = own
        self._read: dict[Path, tuple[Segment, int]] = {}

    def poll(self) -> list[Entry]:
        """Records not handed out before. Raises OSError."""
        entries: list[Entry] = []
        there = set()
        prefix = f"{self._own.producer}-"
        for name in sorted(os.listdir(self._own.folder)):
            if not name.endswith(SUFFIX) or name.startswith((".", prefix)):
                continue
            path = self._own.folder / name
            there.add(path)
            entries += self._read_on(path)
        for path in self._read.keys() - there:
            del self._read[path]
        return entries

    def forget(self, entries: list[Entry]) -> None:
        """The index holds what ``entries``, foreign or own, tell: segments done with are unlinked."""
        self._own.forget(entries)

    def _read_on(self, path: Path) -> list[Entry]:
        segment, position = self._read.get(path) or (Segment(path), 0)
        if segment.ended:
            return []
        # Asked before reading: what a dead producer wrote is all there.
        alive = is_alive(path)
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(position)
                data = file.read(READ_BYTES)
        except FileNotFoundError:
            return []
        start = 0
        if position == 0:
            if data[: len(MAGIC)] == MAGIC:
                start = len(MAGIC)
            elif alive:
                return []
            else:
                data = b""
        entries = []
        end = start
        for record, end in decode_records(data, start):  # noqa: B007 - the last end is wanted
            entries.append(Entry(record, segment))
        segment.taken += len(entries)
        self._read[path] = (segment, position + end)
        if not alive and not entries:
            segment.ended = True
            self._own.forget([])
            if segment.forgotten == segment.taken:
                path.unlink(missing_ok=True)
        return entries

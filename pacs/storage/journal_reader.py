"""The consumer's side of the journal: records of other processes, living or dead."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from pacs.storage.journal import SUFFIX, Entry, Journal, Segment
from pacs.storage.journal_record import (
    HEAD_BYTES,
    LONGEST_RECORD,
    MAGIC,
    STATE_OFFSET,
    Frame,
    State,
    decode_records,
    frame_bytes,
)
from pacs.storage.presence import is_alive

READ_BYTES = 1 << 18
"""Read from a segment at a time, unless a record is longer."""


@dataclass(slots=True)
class _Reading:
    """A segment: where its next record begins, and records that were not in place when we passed."""

    segment: Segment
    descriptor: int
    position: int = 0
    waiting: list[Frame] = field(default_factory=list)


class JournalReader:
    """Reads the segments in a journal's folder, but for those of ``own``, which come through memory.

    One for each journal: its owner holds the lease of the index. Safe from many threads.
    """

    def __init__(self, own: Journal) -> None:
        self._own = own
        self._lock = Lock()
        self._readings: dict[str, _Reading] = {}

    def poll(self) -> list[Entry]:
        """Records not handed out before. Raises OSError."""
        entries: list[Entry] = []
        with self._lock:
            for name, reading in self._there():
                entries += self._read_on(name, reading)
        return entries

    def has_news(self) -> bool:
        """Whether a living producer has put something in place that was not handed out. Raises OSError."""
        with self._lock:
            for _, reading in self._there():
                if reading.segment.ended:
                    continue
                if not reading.position or any(
                    os.pread(reading.descriptor, 1, frame.start + STATE_OFFSET)[0] != State.ANNOUNCED
                    for frame in reading.waiting
                ):
                    return True
                if any(os.pread(reading.descriptor, HEAD_BYTES, reading.position)):
                    return True
        return False

    def forget(self, entries: list[Entry]) -> None:
        """What ``entries``, foreign or own, tell is done: segments done with are unlinked."""
        self._own.forget(entries)

    def seal(self) -> None:
        """Note durably what was forgotten, so that it is not read again after a crash. Raises OSError."""
        with self._lock:
            segments = [reading.segment for reading in self._readings.values()]
        self._own.seal(segments)

    def _there(self) -> list[tuple[str, _Reading]]:
        prefix = f"{self._own.producer}-"
        there: dict[str, _Reading] = {}
        for name in sorted(os.listdir(self._own.folder)):
            if not name.endswith(SUFFIX) or name.startswith((".", prefix)):
                continue
            reading = self._readings.get(name)
            if reading is None:
                path = self._own.folder / name
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                reading = _Reading(Segment(path), descriptor)
            there[name] = reading
        for name in self._readings.keys() - there.keys():
            _close(self._readings[name])
        self._readings = there
        return list(there.items())

    def _read_on(self, name: str, reading: _Reading) -> list[Entry]:
        segment = reading.segment
        if segment.ended:
            return []
        # Asked before reading: what a dead producer wrote is all there.
        alive = is_alive(segment.path)
        if reading.position == 0:
            if os.pread(reading.descriptor, len(MAGIC), 0) == MAGIC:
                reading.position = len(MAGIC)
            elif alive:
                return []
        frames: list[Frame] = []
        waiting, reading.waiting = reading.waiting, []
        for frame in waiting:
            state = os.pread(reading.descriptor, 1, frame.start + STATE_OFFSET)[0]
            frames.append(Frame(frame.record, frame.content, state, frame.start, frame.end))
        beginning = reading.position
        while beginning and (more := _read_frames(reading)):
            frames += more
        entries = []
        for frame in frames:
            if alive and frame.state == State.ANNOUNCED:
                reading.waiting.append(frame)
            elif frame.state in (State.ANNOUNCED, State.IN_PLACE):
                carries, content = bool(frame.content), b"" if alive else frame.content
                entries.append(Entry(frame.record, segment, frame.start, carries, not alive, content))
        segment.taken += len(entries)
        if not alive and reading.position == beginning:
            segment.ended = True
            self._own.forget([])
            if segment.forgotten == segment.taken:
                segment.path.unlink(missing_ok=True)
        return entries


def _read_frames(reading: _Reading) -> list[Frame]:
    """The next whole frames; none where the segment ends for now."""
    at = reading.position
    size = frame_bytes(os.pread(reading.descriptor, HEAD_BYTES, at))
    if not 0 < size <= LONGEST_RECORD:
        return []
    frames = []
    for frame in decode_records(os.pread(reading.descriptor, max(size, READ_BYTES), at)):
        frames.append(Frame(frame.record, frame.content, frame.state, at + frame.start, at + frame.end))
        reading.position = at + frame.end
    return frames


def _close(reading: _Reading) -> None:
    if reading.descriptor >= 0:
        os.close(reading.descriptor)
        reading.descriptor = -1


def left_by_the_dead(folder: Path) -> set[Path]:
    """Segments whose producer is gone or has finished with them."""
    return {path for path in folder.glob(f"*{SUFFIX}") if not is_alive(path)}

"""Data sets cut into P-DATA PDUs while they are read from a file (PS3.8 section 9.3.5, annex D.1).

A buffer is laid out as PDUs of the peer's size, headers in place once and for all; one scattered read fills
the gaps between them and one write sends the lot. Memory is the buffer's, whatever the size of the object.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from pacs.dimse.pdu import PDV_HEADER_BYTES, fragment_header
from pacs.errors import UnreadableDataSet

BUFFER_BYTES = 1024 * 1024
MAX_FRAGMENT_BYTES = 256 * 1024
"""Peers without a limit of their own are sent PDUs of this size."""
_HEADER_BYTES = 12
_MAX_VIEWS = 1024
"""IOV_MAX of Linux."""


class FragmentBuffer:
    """Room for about ``BUFFER_BYTES`` of a data set as PDUs of at most ``max_pdu`` bytes (0: no limit)."""

    def __init__(self, max_pdu: int) -> None:
        self._step = min(max_pdu or MAX_FRAGMENT_BYTES, MAX_FRAGMENT_BYTES) - PDV_HEADER_BYTES
        slot = self._step + _HEADER_BYTES
        self._slots = min(max(BUFFER_BYTES // slot, 1), _MAX_VIEWS)
        self._view = memoryview(bytearray(slot * self._slots))
        self._gaps = [
            self._view[index * slot + _HEADER_BYTES : (index + 1) * slot] for index in range(self._slots)
        ]
        self._headers = [
            self._view[index * slot : index * slot + _HEADER_BYTES] for index in range(self._slots)
        ]
        self._ready = 0  # slots whose header is that of a full fragment in the middle of a data set
        self._context_id = 0

    @property
    def capacity(self) -> int:
        """Bytes of data set that fit."""
        return self._step * self._slots

    def fill(self, file: BinaryIO, offset: int, rest: int, context_id: int) -> memoryview:
        """The next PDUs of a data set of which ``rest`` bytes are left from ``offset`` of ``file``.

        Good until the next call. Holds ``min(rest, capacity)`` bytes of the data set. Raises
        UnreadableDataSet where the file ends too early, OSError where it cannot be read.
        """
        if context_id != self._context_id:
            self._context_id, self._ready = context_id, 0
        wanted = min(rest, self.capacity)
        used = max(-(-wanted // self._step), 1)
        last_length = wanted - (used - 1) * self._step
        is_last = wanted == rest
        middle = used - 1 if is_last else used
        if self._ready < middle:
            header = fragment_header(context_id, self._step, is_command=False, is_last=False)
            for index in range(self._ready, middle):
                self._headers[index][:] = header
            self._ready = middle
        gaps = self._gaps[:used]
        if is_last:
            gaps[-1] = gaps[-1][:last_length]
            self._headers[used - 1][:] = fragment_header(
                context_id, last_length, is_command=False, is_last=True
            )
            self._ready = min(self._ready, used - 1)
        _read(file, gaps, offset, wanted)
        return self._view[: used * _HEADER_BYTES + wanted]


def _read(file: BinaryIO, gaps: Sequence[memoryview], offset: int, wanted: int) -> None:
    """Read ``wanted`` bytes into ``gaps``."""
    count = os.preadv(file.fileno(), gaps, offset)
    if count == wanted:
        return
    # Rare: a short read. What is left is read gap by gap.
    position = 0
    for gap in gaps:
        done = min(max(count - position, 0), len(gap))
        position += len(gap)
        while done < len(gap):
            more = os.preadv(file.fileno(), [gap[done:]], offset + position - len(gap) + done)
            if not more:
                raise UnreadableDataSet("a stored file is shorter than its data set")
            done += more

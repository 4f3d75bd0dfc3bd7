"""What was read of one data set, remembered for the next: instances of a series are alike but for little.

Elements that came twice with the same bytes are joined to runs. Where the next data set has the bytes of a
run, its values are taken over at once, as the very same objects. What a run means hangs on its bytes, the
layout and what ``Run`` names; all of it must be the same. Nothing else is ever taken over.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import NamedTuple

from pacs.dicom import tags
from pacs.dicom.element_layout import Layout
from pacs.dicom.header import Header, Value
from pacs.dicom.private import creator_tag, is_private

MOST_BYTES = 128 * 1024
"""Bytes of elements that a thread remembers; of more, all is forgotten."""

MOST_ELEMENTS = 4096
"""Elements, and runs, that a thread remembers; of more, all is forgotten."""

LONGEST = 8 * 1024
"""Bytes of an element that is remembered; longer ones are mostly skipped, and different each time."""

NO_ELEMENT = -1
"""Stands for the tag where a run was taken over, or the elements end."""

_STATE = frozenset({tags.SPECIFIC_CHARACTER_SET, tags.PIXEL_REPRESENTATION})
"""What decides how others are read is read itself each time."""

Place = tuple[int, int, int, str, bool]
"""Where an outermost element begins: position, tag; the budget, charset and signedness that hold there."""


class Run(NamedTuple):
    """Elements side by side, in ascending order of tags, and what was read of them."""

    raw: bytes
    values: dict[int, Value]
    vrs: dict[int, str]
    first: int
    last: int
    cost: int
    charset: str
    signed: bool
    creators: tuple[tuple[int, Value | None], ...]
    """Private creators (PS3.5 section 7.8.1) before the run that its elements stand under."""

    def fits(self, values: dict[int, Value], charset: str, signed: bool, budget: int) -> bool:
        """Whether the bytes of the run mean the same where these hold."""
        if self.charset != charset or self.signed is not signed or budget <= self.cost:
            return False
        return not self.creators or all(values.get(tag) == creator for tag, creator in self.creators)


class Memory(threading.local):
    """The runs by the bytes of their first tag. Each thread has its own, of what it read last."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._runs: dict[bytes, Run] = {}
        self._last: dict[int, bytes] = {}
        self._size = 0

    def runs(self, layout: Layout) -> dict[bytes, Run]:
        """The runs of data sets in ``layout``; those of another are forgotten."""
        if self._layout is not layout:
            self._forget()
            self._layout = layout
        return self._runs

    def _forget(self) -> None:
        self._runs.clear()
        self._last.clear()
        self._size = 0

    def learn(self, data: bytes, header: Header, places: list[Place]) -> None:
        """Remember what was read into ``header``; the last of ``places`` is where that ends.

        Only for elements in ascending order of tags, none twice.
        """
        if len(places) + len(self._last) > MOST_ELEMENTS:
            self._forget()
        if len(places) > MOST_ELEMENTS:
            return
        same: list[Place] = []
        for place, following in pairwise(places):
            start, tag = place[0], place[1]
            if tag != NO_ELEMENT and tag not in _STATE and 0 < following[0] - start <= LONGEST:
                raw = data[start : following[0]]
                before = self._last.get(tag, b"")
                if before == raw:
                    same.append(place)
                    continue
                self._last[tag] = raw
                self._size += len(raw) - len(before)
                if self._size > MOST_BYTES:
                    self._forget()
                    return
            if same:
                self._join(data, header, same, place)
                same = []
        if same:
            self._join(data, header, same, places[-1])

    def _join(self, data: bytes, header: Header, places: list[Place], end: Place) -> None:
        """Make a run of ``places``."""
        start, first, budget, charset, signed = places[0]
        among = [place[1] for place in places]
        values, vrs = header.values, header.vrs
        creators = {creator_tag(tag) for tag in among if is_private(tag)} - {0, *among}
        run = Run(
            raw=data[start : end[0]],
            values={tag: values[tag] for tag in among if tag in values},
            vrs={tag: vrs[tag] for tag in among if tag in vrs},
            first=first,
            last=among[-1],
            cost=budget - end[2],
            charset=charset,
            signed=signed,
            creators=tuple((tag, values.get(tag)) for tag in creators),
        )
        key = run.raw[:4]
        before = self._runs.get(key)
        self._runs[key] = run
        self._size += len(run.raw) - (len(before.raw) if before else 0)

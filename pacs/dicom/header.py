"""Header: the attributes of a data set as text, the one form that index, query and answers share.

A value is ``str``: character strings decoded to Unicode, several values joined by a backslash,
padding removed; binary numbers as decimal text; AT as eight hexadecimal digits. A sequence is a tuple of
headers, one an item. Bulk data (OB, OW, OF, OD, OL, OV, pixel data) is not held. The VR is the data
dictionary's (PS3.6) unless ``vrs`` says otherwise, as it must for private attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = "str | tuple[Header, ...]"


@dataclass(slots=True)
class Header:
    """Attributes by tag (``0x00100010``).

    ``values`` maps tag to value, in ascending order of tags when read from a data set.
    ``vrs`` maps tag to VR, only where it is not the data dictionary's.
    """

    values: dict[int, Value] = field(default_factory=dict)
    vrs: dict[int, str] = field(default_factory=dict)

    def text(self, tag: int) -> str:
        """The value of ``tag`` as text; empty where it is absent, empty or a sequence."""
        value = self.values.get(tag, "")
        return value if isinstance(value, str) else ""

    def items(self, tag: int) -> tuple[Header, ...]:
        """The items of the sequence ``tag``; none where it is absent or not a sequence."""
        value = self.values.get(tag, ())
        return value if isinstance(value, tuple) else ()

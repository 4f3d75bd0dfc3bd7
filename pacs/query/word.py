"""Words: what free text search compares (no part of the standard; as Lucene's standard analyser has it).

A word is a run of letters and digits; a full stop inside joins (``1.2.840``, ``T1.5``). Case and accents do
not count. Indexes that hold words must cut them with this module, or they would miss what the matcher finds.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+(?:\.\w+)*")
_PATTERN = re.compile(r"[\w*?]+(?:\.[\w*?]+)*")


def fold(text: str) -> str:
    """``text`` without regard to case, accents and width of characters."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in apart if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", bare.casefold())


def words_of(text: str) -> list[str]:
    """The folded words of one value, in order."""
    return _WORD.findall(fold(text))


def word_patterns_of(text: str) -> list[str]:
    """The folded words of a query, in which ``*`` and ``?`` are part of words."""
    return _PATTERN.findall(fold(text))

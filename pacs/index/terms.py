"""Terms: what an engine holds of a header, so that candidates can be found without reading headers. Pure.

A term is ``<path><kind><text>`` and holds no white space. ``path`` is eight hexadecimal digits for each tag
from the root, whichever item of a sequence the value is in.

======= ============================================================================================
kind    text
======= ============================================================================================
``=``   a value, normalised: each of several values, their whole, each component group of a name
``~``   the beginning of a normalised value that is longer than ``LONGEST``
``@``   the sound of a word of a person's name
``>``   nothing: the path has more values than ``MOST_VALUES``; only some of them are terms
``[``   nothing: the sequence has an item
======= ============================================================================================

Words have terms without a path: ``w=``, ``w~``, ``w>`` in the same sense.

All values are normalised in one way, whatever their VR, so that it does not matter if a query takes an
attribute for something else than the header does. Two values that the matcher takes for equal have the same
normal form, and the normal form of two texts in a row is that of the one and that of the other in a row: so
a search for a normalised beginning, end or middle misses nothing.
"""

from __future__ import annotations

import re
import unicodedata

from pacs.dicom.attribute import vr_dictionary
from pacs.dicom.header import Header, Value
from pacs.query.name import name_words, sound
from pacs.query.word import fold, words_of

LONGEST = 64
"""Characters of a normalised value or word that are held; a UID is never longer."""

MOST_VALUES = 256
"""Values of one path that become terms; more of them (contours, dose grids) would only swell the index."""

MOST_WORDS = 4096
"""Words of one header that become terms."""

WORD = "w"
"""What stands in place of a path in the term of a word."""

_IGNORED = re.compile(r"[\s^=]+")
_OLD_DATE = re.compile(r"\d{4}\.\d\d(?:\.\d\d)?")


def normalise(text: str) -> str:
    """``text`` without case, accents, white space and the delimiters of person names.

    Dropping ``^`` and ``=`` makes trailing empty components of no account (PS3.5 section 6.2.1.1).
    """
    folded = fold(text)
    if folded.isalnum() and folded.isascii():
        return folded
    return _normalise_folded(folded)


def _normalise_folded(folded: str) -> str:
    if not folded.isascii():
        # Apart again (Hangul), because a composed character has other beginnings than its parts.
        folded = unicodedata.normalize("NFD", folded).encode("utf-8", "replace").decode()
    return _IGNORED.sub("", folded)


def term(path: str, kind: str, text: str = "") -> str:
    """The term of a normalised ``text``, cut where it is too long."""
    if len(text) > LONGEST:
        return f"{path}~{text[:LONGEST]}"
    return f"{path}{kind}{text}"


def path_text(path: tuple[int, ...]) -> str:
    """The path as it stands at the beginning of its terms."""
    return "".join(f"{tag:08x}" for tag in path)


def spelt_number(text: str) -> str | None:
    """The one spelling of the number that normalised ``text`` is; None where it is none, or spelt so."""
    first = text[:1]
    if first in "123456789" and text.isdigit() and len(text) < 16:
        return None
    if not (first.isdigit() or first in ("+", "-", ".") or text in ("inf", "infinity")):
        return None
    if text.count(".") > 1:
        return None
    try:
        spelling = repr(float(text))
    except ValueError:
        return None
    return spelling.removesuffix(".0")


def terms_of(header: Header, leave_out: frozenset[int] = frozenset()) -> set[str]:
    """All terms of ``header``, but for the tags in ``leave_out`` at its root."""
    collected = _Collected()
    for tag, value in header.values.items():
        if tag not in leave_out:
            collected.take(f"{tag:08x}", tag, value)
    return collected.terms


def terms_of_tags(header: Header, only: frozenset[int]) -> set[str]:
    """The terms of those attributes of ``header`` that are in ``only``."""
    collected = _Collected()
    for tag in only:
        text = header.text(tag)
        if text:
            collected.take(f"{tag:08x}", tag, text)
    return collected.terms


class _Collected:
    """The terms found so far, and how many values each path had."""

    def __init__(self) -> None:
        self.terms: set[str] = set()
        self._values: dict[str, int] = {}
        self._words = 0
        self._vrs = vr_dictionary()

    def take(self, path: str, tag: int, value: Value) -> None:
        """Add the terms of the attribute at ``path``, which ends in ``tag``."""
        if not isinstance(value, str):
            if value:
                self.terms.add(f"{path}[")
            for item in value:
                for inner, inner_value in item.values.items():
                    self.take(f"{path}{inner:08x}", inner, inner_value)
            return
        if not value:
            return
        folded = fold(value)
        if folded.isascii() and folded.isalnum():
            parts = [folded]
            self._take_word(folded)
            self._take_value(path, folded)
        else:
            parts = folded.split("\\")
            for part in parts:
                self._take_words(words_of(part))
            self._take_values(path, folded, parts)
        if self._vrs[tag] == "PN":
            self.terms.update(term(path, "@", sound(word)) for part in parts for word in name_words(part))

    def _take_values(self, path: str, folded: str, parts: list[str]) -> None:
        if len(parts) > 1:
            # To VRs in which a backslash is text, the whole is the value.
            self._take_value(path, _normalise_folded(folded))
            if len(parts) > MOST_VALUES:
                self.terms.add(f"{path}>")
                return
        for part in parts:
            if "=" in part:
                for group in part.split("="):
                    self._take_value(path, _normalise_folded(group))
            self._take_value(path, _normalise_folded(part))
            if part[4:5] == "." and _OLD_DATE.fullmatch(part.strip(" ")):
                self._take_value(path, part.strip(" ").replace(".", ""))

    def _take_value(self, path: str, text: str) -> None:
        seen = self._values[path] = self._values.get(path, 0) + 1
        if seen > MOST_VALUES:
            self.terms.add(f"{path}>")
            return
        self.terms.add(f"{path}={text}" if len(text) <= LONGEST else f"{path}~{text[:LONGEST]}")
        spelling = spelt_number(text)
        if spelling is not None and spelling != text:
            self.terms.add(f"{path}={spelling}")

    def _take_words(self, words: list[str]) -> None:
        if self._words + len(words) > MOST_WORDS:
            self.terms.add(f"{WORD}>")
            words = words[: max(0, MOST_WORDS - self._words)]
        for word in words:
            self._take_word(word)

    def _take_word(self, word: str) -> None:
        self._words += 1
        self.terms.add(term(WORD, "=", word))

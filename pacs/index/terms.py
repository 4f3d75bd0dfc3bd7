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
from collections.abc import Iterator

from pacs.dicom.attribute import vr_dictionary
from pacs.dicom.header import Header, Value
from pacs.query.name import name_words, sound
from pacs.query.word import fold, words_of

LONGEST = 64
"""Characters of a normalised value or word that are held; a UID is never longer."""

MOST_VALUES = 256
"""Values of one path that become terms; more of them (contours, dose grids) would only swell the index."""

MOST_WORDS = 4096
"""Words of one text that become terms."""

WORD = "w"
"""What stands in place of a path in the term of a word."""

_IGNORED = re.compile(r"[\s^=]+")
_REMEMBERED = 50_000

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
        spelling = repr(float(text) + 0.0)  # -0 is 0
    except ValueError:
        return None
    return spelling.removesuffix(".0")


class Terms:
    """Makes the terms of headers, and remembers those of texts: most come again in the next instance.

    For one thread at a time.
    """

    def __init__(self) -> None:
        self._vrs = vr_dictionary()
        self._paths: dict[int, str] = {}
        self._remembered: dict[tuple[str, str], tuple[str, ...]] = {}

    def of(self, values: dict[int, Value]) -> set[str]:
        """All terms of the attributes of a header, or of some of them."""
        terms: set[str] = set()
        paths, remembered = self._paths, self._remembered
        for tag, value in values.items():
            if not value:
                continue
            path = paths.get(tag)
            if path is None:
                path = paths[tag] = f"{tag:08x}"
            if isinstance(value, str):
                terms.update(remembered.get((path, value)) or self._of_text(path, tag, value))
            else:
                self._take_items(path, value, terms, {})
        return terms

    def _take_items(
        self, path: str, items: tuple[Header, ...], terms: set[str], taken: dict[str, int]
    ) -> None:
        """Add the terms of a sequence. ``taken`` counts the values of each path in it."""
        terms.add(f"{path}[")
        for item in items:
            for tag, value in item.values.items():
                inner = f"{path}{tag:08x}"
                if not value:
                    continue
                if not isinstance(value, str):
                    self._take_items(inner, value, terms, taken)
                    continue
                count = taken[inner] = taken.get(inner, 0) + 1
                if count <= MOST_VALUES:
                    terms.update(self._of_text(inner, tag, value))
                else:
                    terms.update((f"{inner}>", f"{WORD}>"))

    def _of_text(self, path: str, tag: int, text: str) -> tuple[str, ...]:
        key = (path, text)
        terms = self._remembered.get(key)
        if terms is None:
            terms = tuple(_terms_of_text(path, self._vrs[tag] == "PN", text))
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = terms
        return terms


def _terms_of_text(path: str, is_name: bool, text: str) -> Iterator[str]:
    """The terms of one attribute's text, its values joined by backslashes."""
    folded = fold(text)
    parts = folded.split("\\")
    if folded.isascii() and folded.isalnum():
        yield from _terms_of_value(path, folded)
        yield term(WORD, "=", folded)
    else:
        yield from _terms_of_parts(path, folded, parts)
        words = [word for part in parts for word in words_of(part)]
        if len(words) > MOST_WORDS:
            yield f"{WORD}>"
        for word in words[:MOST_WORDS]:
            yield term(WORD, "=", word)
    if is_name:
        for part in parts:
            for word in name_words(part):
                yield term(path, "@", sound(word))


def _terms_of_parts(path: str, folded: str, parts: list[str]) -> Iterator[str]:
    if len(parts) > 1:
        # To VRs in which a backslash is text, the whole is the value.
        yield from _terms_of_value(path, _normalise_folded(folded))
    if len(parts) > MOST_VALUES:
        yield f"{path}>"
        return
    for part in parts:
        if "=" in part:
            for group in part.split("="):
                yield from _terms_of_value(path, _normalise_folded(group))
        yield from _terms_of_value(path, _normalise_folded(part))
        if part[4:5] == "." and _OLD_DATE.fullmatch(part.strip(" ")):
            yield f"{path}={part.strip(' ').replace('.', '')}"


def _terms_of_value(path: str, text: str) -> Iterator[str]:
    yield term(path, "=", text)
    spelling = spelt_number(text)
    if spelling is not None and spelling != text:
        yield f"{path}={spelling}"

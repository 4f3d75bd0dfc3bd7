"""Matching of person names (PS3.4 section C.2.2.2.1.1; PS3.5 section 6.2.1).

Literal matching is without regard to case and to trailing empty components. Fuzzy semantic matching, where
negotiated, takes a name for a set of words: each word asked for must be a word of the name, or sound like one
(Soundex, for words in Latin letters), in any order and without regard to accents and width.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pacs.query.wildcard import has_wildcard, wildcard_test
from pacs.query.word import fold

_SEPARATOR = re.compile(r"[\s^=,;.]+")
_SOUNDS = {
    letter: digit
    for digit, letters in (
        ("1", "bfpv"),
        ("2", "cgjkqsxz"),
        ("3", "dt"),
        ("4", "l"),
        ("5", "mn"),
        ("6", "r"),
    )
    for letter in letters
}


def person_name_test(pattern: str, fuzzy: bool) -> Callable[[str], bool]:
    """A test whether one PN value matches ``pattern``."""
    fits = wildcard_test(normal_name(pattern))

    def literal(name: str) -> bool:
        folded = name.casefold().rstrip("^= ")
        if "=" not in folded:
            return fits(folded)
        groups = [group.rstrip("^ ") for group in folded.split("=")]
        return fits("=".join(groups)) or any(group and fits(group) for group in groups)

    if not fuzzy:
        return literal
    asked = [_word_test(word) for word in name_words(pattern)]

    def by_words(name: str) -> bool:
        if literal(name):
            return True
        words = [(word, sound(word)) for word in name_words(name)]
        return bool(asked) and all(any(test(*word) for word in words) for test in asked)

    return by_words


def normal_name(name: str) -> str:
    """``name`` as it is compared: folded in case, without trailing empty components and groups."""
    folded = name.casefold().rstrip("^= ")
    if "=" not in folded:
        return folded
    return "=".join(group.rstrip("^ ") for group in folded.split("="))


def name_words(name: str) -> list[str]:
    """The folded words of all component groups."""
    return [word for word in _SEPARATOR.split(fold(name)) if word]


def sound(word: str) -> str:
    """The Soundex code of a folded word; the word itself where it is not of Latin letters alone."""
    if not (word.isascii() and word.isalpha()):
        return word
    code = word[0]
    before = _SOUNDS.get(word[0], "")
    for letter in word[1:]:
        digit = _SOUNDS.get(letter, "")
        if digit and digit != before:
            code += digit
            if len(code) == 4:
                break
        if letter not in "hw":
            before = digit
    return code.ljust(4, "0")


def _word_test(word: str) -> Callable[[str, str], bool]:
    if has_wildcard(word):
        fits = wildcard_test(word)
        return lambda given, code: fits(given)
    asked = sound(word)
    return lambda given, code: given == word or code == asked

"""The test behind free text: whether words stand side by side in a text."""

from __future__ import annotations

from collections.abc import Callable

from pacs.query.wildcard import has_wildcard, wildcard_test
from pacs.query.word import fold, words_of


def words_test(words: tuple[str, ...]) -> Callable[[str], bool]:
    """A test of one attribute's text, its values joined by backslashes: words never reach over two values."""
    folded = [fold(word) for word in words]
    if not folded:
        return lambda text: False
    tests = [wildcard_test(word) if has_wildcard(word) else word.__eq__ for word in folded]
    # Most texts fall at a plain search for the longest piece that must be in them.
    piece = max((part for word in folded for part in word.replace("?", "*").split("*")), key=len)

    def test(text: str) -> bool:
        plain = text.lower() if text.isascii() else fold(text)
        if piece not in plain:
            return False
        return any(_stand_side_by_side(tests, words_of(one)) for one in plain.split("\\"))

    return test


def _stand_side_by_side(tests: list[Callable[[str], bool]], words: list[str]) -> bool:
    count = len(tests)
    if count == 1:
        return any(tests[0](word) for word in words)
    return any(
        all(test(word) for test, word in zip(tests, words[start : start + count], strict=True))
        for start in range(len(words) - count + 1)
    )

"""Wild cards (PS3.4 section C.2.2.2.4): ``*`` is any run of characters, none included, ``?`` any single one.

A test takes time in proportion to the text, whatever the pattern: the parts between asterisks are found
from left to right and never looked for again, so that a hostile pattern cannot hold up a search.
"""

from __future__ import annotations

import re
from collections.abc import Callable


def has_wildcard(text: str) -> bool:
    """Whether ``text`` holds ``*`` or ``?``."""
    return "*" in text or "?" in text


def wildcard_test(pattern: str) -> Callable[[str], bool]:
    """A test whether a whole text fits ``pattern``, exact in case."""
    first, *middle = pattern.split("*")
    if "?" not in pattern:
        if not middle:
            return pattern.__eq__
        parts = [part for part in middle[:-1] if part]
        last = middle[-1]
        if not parts:
            return _begins_and_ends(first, last)
        if len(parts) == 1 and not first and not last:
            return _holds(parts[0])
    return _by_expression(pattern)


def _begins_and_ends(first: str, last: str) -> Callable[[str], bool]:
    if not last:
        return lambda text: text.startswith(first)
    if not first:
        return lambda text: text.endswith(last)
    least = len(first) + len(last)
    return lambda text: len(text) >= least and text.startswith(first) and text.endswith(last)


def _holds(part: str) -> Callable[[str], bool]:
    return lambda text: part in text


def _by_expression(pattern: str) -> Callable[[str], bool]:
    """By a regular expression whose atomic groups keep it from looking for the same part again."""
    first, *rest = [re.escape(part).replace(r"\?", ".") for part in pattern.split("*")]
    expression = first
    if rest:
        expression += "".join(f"(?>.*?{part})" for part in rest[:-1] if part) + ".*" + rest[-1]
    fits = re.compile(expression, re.DOTALL).fullmatch
    return lambda text: fits(text) is not None

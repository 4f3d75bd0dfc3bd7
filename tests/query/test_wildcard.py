"""Wild card matching (PS3.4 section C.2.2.2.4)."""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.query.wildcard import has_wildcard, wildcard_test


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("DOE*", "DOE", True),
        ("DOE*", "DOE^JOHN", True),
        ("DOE*", "DO", False),
        ("*JOHN", "DOE^JOHN", True),
        ("*JOHN", "DOE^JOHNNY", False),
        ("*E^J*", "DOE^JOHN", True),
        ("D?E", "DOE", True),
        ("D?E", "DE", False),
        ("D?E", "DOOE", False),
        ("DO*OE", "DOE", False),
        ("*", "", True),
        ("?", "", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("a*\n?", "ab\nc", True),
        ("*ab*ab", "ab", False),
        ("*ab*ab", "abab", True),
        ("\\?", "\\x", True),
    ],
)
def test_asterisk_is_any_run_and_question_mark_one_character(pattern: str, text: str, fits: bool) -> None:
    assert wildcard_test(pattern)(text) is fits


@given(st.text("ab?*^", max_size=8), st.text("ab^", max_size=12))
def test_wildcards_mean_what_a_shell_means_by_them(pattern: str, text: str) -> None:
    assert wildcard_test(pattern)(text) == fnmatchcase(text, pattern)


@given(st.text(max_size=20), st.integers(0, 20))
def test_any_prefix_with_an_asterisk_fits(text: str, length: int) -> None:
    prefix = text[:length]
    if not has_wildcard(prefix):
        assert wildcard_test(prefix + "*")(text)


def test_a_hostile_pattern_is_decided_at_once() -> None:
    begun = time.perf_counter()
    assert not wildcard_test("*a?a" * 20 + "*b")("a" * 20_000)
    assert not wildcard_test("*a" * 30 + "*b")("a" * 20_000)
    assert time.perf_counter() - begun < 2

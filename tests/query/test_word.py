"""Words of free text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.query.word import fold, word_patterns_of, words_of
from pacs.query.word_match import words_test


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("CT Abdomen/Pelvis", ["ct", "abdomen", "pelvis"]),
        ("1.2.840.10008", ["1.2.840.10008"]),
        ("DOE^JOHN", ["doe", "john"]),
        ("T2-weighted, 1.5 T.", ["t2", "weighted", "1.5", "t"]),
        ("Müller-Straße", ["muller", "strasse"]),
        ("山田^太郎", ["山田", "太郎"]),
        ("\uff21\uff22", ["ab"]),
        ("StageII-Colorectal-CT-005", ["stageii", "colorectal", "ct", "005"]),
        ("CT_SOM5 SPI", ["ct_som5", "spi"]),
        ("--", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_wild_cards_belong_to_the_words_of_a_query() -> None:
    assert word_patterns_of("DOE^J*n ?x") == ["doe", "j*n", "?x"]


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (("abdomen",), "CT Abdomen/Pelvis", True),
        (("ct", "abdomen"), "CT Abdomen/Pelvis", True),
        (("abdomen", "ct"), "CT Abdomen/Pelvis", False),
        (("ct", "pelvis"), "CT Abdomen/Pelvis", False),
        (("abd*",), "CT Abdomen", True),
        (("*men",), "CT Abdomen", True),
        (("abdo",), "CT Abdomen", False),
        (("colorectal",), "StageII-Colorectal-CT-005", True),
        (("stageii", "colorectal"), "StageII-Colorectal-CT-005", True),
        (("a?domen",), "CT Abdomen", True),
        (("one", "two"), "one\\two", False),
        (("MÜLLER",), "muller", True),
        ((), "anything", False),
    ],
)
def test_words_stand_side_by_side_in_one_value(words: tuple[str, ...], text: str, found: bool) -> None:
    assert words_test(words)(text) is found


@given(st.text(max_size=40))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=60))
def test_each_word_of_a_text_is_found_in_it(text: str) -> None:
    words = words_of(text.replace("\\", " "))
    for word in words:
        assert words_test((word,))(text.replace("\\", " "))
    if words:
        assert words_test(tuple(words))(text.replace("\\", " "))

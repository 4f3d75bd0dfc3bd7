from __future__ import annotations

import re
from pathlib import Path

import pytest

from pacs.conformance import CHARACTER_SETS, TABLES, character_sets, render

STATEMENT = Path(__file__).parents[1] / "CONFORMANCE.md"


def test_the_statement_says_what_the_code_says() -> None:
    text = STATEMENT.read_text(encoding="utf-8")
    assert render(text) == text, "run make docs"


def test_every_table_has_its_place_in_the_statement() -> None:
    places = re.findall(r"<!-- table: ([a-z-]+) -->", STATEMENT.read_text(encoding="utf-8"))
    assert sorted(places) == sorted(TABLES)


def test_a_table_that_there_is_not_is_refused() -> None:
    with pytest.raises(KeyError):
        render("<!-- table: nothing -->\n<!-- end -->")


def test_every_character_set_of_the_standard_works() -> None:
    assert character_sets().count("| yes |") == len(CHARACTER_SETS)

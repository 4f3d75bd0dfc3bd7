from __future__ import annotations

from pacs.cli.output import count, table


def test_columns_line_up_whatever_the_script() -> None:
    lines = table(("NAME", "ID"), [("山田^太郎", "1"), ("Doe", "23")])
    assert lines == ["NAME       ID", "山田^太郎  1", "Doe        23"]


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert table(("NAME",), [("a\x1b[2Jb\n",)]) == ["NAME", "a·[2Jb·"]


def test_wide_cells_are_cut() -> None:
    assert table(("N",), [("abcdefgh",)], width=5) == ["N", "abcd…"]


def test_counts_have_the_right_form() -> None:
    assert count(1, "study", "studies") == "1 study"
    assert count(12345, "study", "studies") == "12 345 studies"
    assert count(2, "file") == "2 files"

from __future__ import annotations

from pathlib import Path

import pytest

from pacs.app.roots import Roots


@pytest.fixture
def roots(tmp_path: Path) -> Roots:
    return Roots(tmp_path / "in-place.jsonl")


def test_there_are_none_at_first(roots: Roots) -> None:
    assert roots.all() == []


def test_what_was_added_is_remembered_once(roots: Roots, tmp_path: Path) -> None:
    roots.add([tmp_path / "a", tmp_path / "b\nc"])
    roots.add([tmp_path / "a", tmp_path / "a" / "below", tmp_path / "d"])
    assert roots.all() == [tmp_path / "a", tmp_path / "b\nc", tmp_path / "d"]


def test_a_line_that_a_crash_tore_hides_no_other(roots: Roots, tmp_path: Path) -> None:
    roots.add([tmp_path / "a"])
    with (tmp_path / "in-place.jsonl").open("a") as file:
        file.write('"/half')
    roots.add([tmp_path / "b"])
    assert roots.all() == [tmp_path / "a", tmp_path / "b"]


def test_every_file_under_the_roots_has_a_location(roots: Roots, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "one.dcm").write_bytes(b"12345")
    roots.add([folder, tmp_path / "gone"])
    (location,) = roots.locations()
    assert (location.uri, location.size) == (str(folder / "one.dcm"), 5)

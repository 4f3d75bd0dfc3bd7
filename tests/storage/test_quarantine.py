from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pacs.errors import NotFound, OutOfResources
from pacs.storage.quarantine import Note, Quarantine

NOTE = Note(
    reason="conflict", words="Another data set is stored.", received=1.0, size=3, sop_instance_uid="1.2"
)


def test_an_object_is_kept_with_its_note(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, 0)
    identifier = quarantine.add(io.BytesIO(b"abc"), NOTE)
    assert quarantine.count() == 1
    assert list(quarantine.identifiers()) == [identifier]
    assert quarantine.note(identifier) == NOTE
    with quarantine.open(identifier) as file:
        assert file.read() == b"abc"


def test_a_note_is_json_for_people(tmp_path: Path) -> None:
    identifier = Quarantine(tmp_path, 0).add(io.BytesIO(b"abc"), NOTE)
    assert json.loads((tmp_path / f"{identifier}.json").read_text())["reason"] == "conflict"


def test_a_removed_object_is_gone(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, 0)
    identifier = quarantine.add(io.BytesIO(b"abc"), NOTE)
    quarantine.remove(identifier)
    quarantine.remove(identifier)
    assert quarantine.count() == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NotFound):
        quarantine.open(identifier)


def test_objects_come_oldest_first(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, 0)
    added = [quarantine.add(io.BytesIO(b"abc"), NOTE) for _ in range(5)]
    assert list(quarantine.identifiers()) == added


def test_under_the_reserve_nothing_is_taken_and_nothing_left(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, 1 << 62)
    with pytest.raises(OutOfResources):
        quarantine.add(io.BytesIO(b"abc"), NOTE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("identifier", ["", "../x", "/etc/passwd", ".x", "a\0b"])
def test_no_identifier_leads_out_of_the_folder(tmp_path: Path, identifier: str) -> None:
    quarantine = Quarantine(tmp_path, 0)
    for call in (quarantine.note, quarantine.open, quarantine.remove):
        with pytest.raises(NotFound):
            call(identifier)

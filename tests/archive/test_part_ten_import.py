from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Outcome, Stored
from pacs.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from pacs.errors import NotFound, OutOfResources, PacsError
from tests.archive.site import CALLER, Site
from tests.encoded import Instance
from tests.samples import sample

ONE = Instance("1.2.1.1.1")


def run(site: Site, *paths: Path, in_place: bool = False) -> list[Stored | PacsError]:
    return PartTenImport(site.store, CALLER).import_files(paths, in_place=in_place)


def outcomes(answers: list[Stored | PacsError]) -> list[str]:
    return [str(one.outcome) if isinstance(one, Stored) else "refused" for one in answers]


def written(tmp_path: Path, name: str, data: bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


def test_files_are_copied_byte_for_byte_and_found(site: Site, tmp_path: Path) -> None:
    instances = [Instance(f"1.2.1.1.{number}") for number in range(20)]
    paths = [written(tmp_path, f"{one.sop_instance_uid}.dcm", one.part_ten) for one in instances]
    assert outcomes(run(site, *paths)) == ["stored"] * 20
    assert site.found() == {one.sop_instance_uid for one in instances}
    assert site.data_set("1.2.1.1.7") == instances[7].data_set
    assert outcomes(run(site, *paths)) == ["duplicate"] * 20


def test_one_uid_twice_in_a_batch_is_a_duplicate_or_a_conflict(site: Site, tmp_path: Path) -> None:
    same = written(tmp_path, "same.dcm", ONE.part_ten)
    other = written(tmp_path, "other.dcm", replace(ONE, study="1.2.9").part_ten)
    assert outcomes(run(site, same, same, other)) == ["stored", "duplicate", "conflict"]
    assert site.quarantine.count() == 1


def test_a_file_without_preamble_and_file_meta_information_is_taken(site: Site, tmp_path: Path) -> None:
    for number, syntax in enumerate((IMPLICIT_VR_LITTLE_ENDIAN, ONE.transfer_syntax_uid)):
        bare = replace(ONE, sop_instance_uid=f"1.2.{number}", transfer_syntax_uid=syntax)
        assert outcomes(run(site, written(tmp_path, "bare", bare.data_set))) == ["stored"]
        site.found()
        assert site.data_set(bare.sop_instance_uid) == bare.data_set


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "short"),
        (b"not DICOM at all, but a text of some length" * 10, "DICOM"),
        (ONE.part_ten[:-1], "cut off"),
        (ONE.part_ten[:-10], "middle"),
        (ONE.part_ten[:200], ""),
        (replace(ONE, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN).part_ten[:-1], "cut off"),
        (replace(ONE, transfer_syntax_uid="1.2.840.10008.1.2.4.70").part_ten[:-8], "cut off"),
        (replace(ONE, transfer_syntax_uid="1.2.840.10008.1.2.4.70").part_ten[:-10], "cut off"),
        (replace(ONE, study="1..2").part_ten, "Study"),
    ],
)
def test_what_is_no_whole_instance_is_refused_with_words(
    site: Site, tmp_path: Path, data: bytes, words: str
) -> None:
    for in_place in (False, True):
        good = written(tmp_path, "good.dcm", ONE.part_ten)
        refused, stored = run(site, written(tmp_path, "bad.dcm", data), good, in_place=in_place)
        assert isinstance(refused, PacsError)
        assert words in str(refused)
        assert isinstance(stored, Stored)
    assert len(site.files()) == 1
    assert site.quarantine.count() == 0, "the file is still where it was"


def test_a_dicomdir_is_refused(site: Site) -> None:
    (refused,) = run(site, sample("DICOMDIR"))
    assert "DICOMDIR" in str(refused)


def test_a_missing_file_is_refused(site: Site, tmp_path: Path) -> None:
    assert outcomes(run(site, tmp_path / "nothing")) == ["refused"]


def test_a_full_disk_is_told_for_every_file_of_the_batch(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutOfResources("full")

    monkeypatch.setattr(site.journal, "commit", full)
    path = written(tmp_path, "one.dcm", ONE.part_ten)
    for in_place in (False, True):
        (refused,) = run(site, path, in_place=in_place)
        assert isinstance(refused, OutOfResources)
    assert site.files() == []


def change(path: Path) -> None:
    path.write_bytes(replace(ONE, pixels=b"\1\0\2\0\3\0").part_ten)


@pytest.mark.parametrize("harm", [Path.unlink, change])
def test_a_file_in_place_is_retrieved_as_long_as_it_is_the_one_indexed(
    site: Site, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path = written(tmp_path, "one.dcm", ONE.part_ten)
    assert outcomes(run(site, path, in_place=True)) == ["stored"]
    assert site.found() == {ONE.sop_instance_uid}
    assert site.files() == [], "nothing is copied"
    (entity,) = site.images()
    with Retrieve(site.storage).open(entity) as file:
        assert file.read() == ONE.part_ten
    harm(path)
    with pytest.raises(NotFound):
        Retrieve(site.storage).open(entity)


def test_a_file_changed_in_place_is_indexed_anew(site: Site, tmp_path: Path) -> None:
    path = written(tmp_path, "one.dcm", ONE.part_ten)
    run(site, path, in_place=True)
    site.found()
    path.write_bytes(replace(ONE, name="ROE^RICHARD").part_ten)
    run(site, path, in_place=True)
    site.found()
    (entity,) = site.images()
    assert entity.header.text(0x00100010) == "ROE^RICHARD"
    with Retrieve(site.storage).open(entity) as file:
        assert file.read() == path.read_bytes()


def test_an_instance_indexed_in_place_and_sent_again_is_a_duplicate(site: Site, tmp_path: Path) -> None:
    run(site, written(tmp_path, "one.dcm", ONE.part_ten), in_place=True)
    site.found()
    assert site.put(ONE).outcome is Outcome.DUPLICATE
    assert site.files() == []

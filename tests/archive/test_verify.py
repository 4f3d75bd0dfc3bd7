from __future__ import annotations

from pathlib import Path

import pytest

from pacs.archive.part_ten_import import PartTenImport
from pacs.archive.verify import Finding, Problem, VerifyProgress, repair, verify
from pacs.dicom.level import Level
from pacs.index.hierarchy import forget
from pacs.index.protocol import Changes, Entity
from tests.archive.site import CALLER, Site
from tests.encoded import Instance


@pytest.fixture
def filled(site: Site) -> Site:
    for number in range(20):
        site.put(Instance(f"1.2.1.{number % 4}.{number}", series=f"1.2.1.{number % 4}"))
    assert len(site.found()) == 20
    return site


def findings(site: Site, *, deep: bool = False) -> list[Finding]:
    return list(verify(site.index, site.storage, deep=deep))


def mend(site: Site, *, deep: bool = False) -> int:
    return repair(findings(site, deep=deep), site.index, site.storage, site.journal, site.indexer)


def test_an_archive_in_order_has_no_findings(filled: Site) -> None:
    assert findings(filled) == []
    assert findings(filled, deep=True) == []


def test_an_object_that_is_not_indexed_is_found_and_indexed(filled: Site) -> None:
    (entity,) = filled.index.get(Level.IMAGE, ("1.2.1.1.5",)).values()
    filled.index.apply(forget([entity.identity], filled.index))
    (finding,) = findings(filled)
    assert (finding.problem, finding.uid) == (Problem.NOT_INDEXED, "1.2.1.1.5")
    assert mend(filled) == 1
    assert findings(filled, deep=True) == []
    assert len(filled.found()) == 20


def test_an_entity_without_object_is_found_and_forgotten(filled: Site) -> None:
    filled.files()[0].unlink()
    (finding,) = findings(filled)
    assert finding.problem is Problem.NO_OBJECT
    assert mend(filled) == 1
    assert findings(filled) == []
    assert len(filled.found()) == 19


def test_an_unreadable_object_is_found_by_a_deep_look(filled: Site) -> None:
    path = filled.files()[0]
    path.write_bytes(bytes(path.stat().st_size))
    assert findings(filled) == []
    (finding,) = findings(filled, deep=True)
    assert finding.problem is Problem.UNREADABLE


def test_attributes_that_differ_are_found_by_a_deep_look_and_indexed_anew(filled: Site) -> None:
    path = next(path for path in filled.files() if path.name == "1.2.1.1.5.dcm")
    path.write_bytes(path.read_bytes().replace(b"DOE^JANE", b"ROE^JANE"))
    (finding,) = findings(filled, deep=True)
    assert (finding.problem, finding.uid) == (Problem.OUTDATED, "1.2.1.1.5")
    assert mend(filled, deep=True) == 1
    assert findings(filled, deep=True) == []
    (entity,) = filled.index.get(Level.IMAGE, ("1.2.1.1.5",)).values()
    assert entity.header.text(0x00100010) == "ROE^JANE"


def test_a_wrong_count_is_found(filled: Site) -> None:
    (entity,) = filled.index.get(Level.IMAGE, ("1.2.1.1.5",)).values()
    filled.index.apply(Changes(drop=[entity.identity]))
    problems = {finding.problem for finding in findings(filled)}
    assert problems == {Problem.NOT_INDEXED, Problem.WRONG_COUNT}


def test_a_file_in_place_that_is_gone_is_found_and_forgotten(filled: Site, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(Instance("1.9").part_ten)
    PartTenImport(filled.store, CALLER).import_files([path], in_place=True)
    assert len(filled.found()) == 21
    assert findings(filled, deep=True) == []
    path.unlink()
    (finding,) = findings(filled)
    assert (finding.problem, finding.uid) == (Problem.NO_OBJECT, "1.9")
    mend(filled)
    assert len(filled.found()) == 20


def test_progress_is_told(filled: Site) -> None:
    told: list[VerifyProgress] = []
    list(verify(filled.index, filled.storage, deep=False, progress=told.append))
    assert told[-1] == VerifyProgress(20, 20, 20)


def test_an_entity_without_location_is_found(filled: Site) -> None:
    (entity,) = filled.index.get(Level.IMAGE, ("1.2.1.1.5",)).values()
    filled.index.apply(Changes(put=[Entity(entity.identity, entity.header)]))
    assert {finding.problem for finding in findings(filled)} == {Problem.NOT_INDEXED, Problem.NO_OBJECT}
    mend(filled)
    assert findings(filled) == []

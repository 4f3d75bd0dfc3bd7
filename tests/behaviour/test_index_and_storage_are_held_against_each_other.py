"""``pacs verify`` and ``pacs rebuild``: files are the truth, the index can be made anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from tests.appliance import Appliance, running
from tests.raw_find import every_instance

PLANS = list(synthetic.layout(3, 1, 8, "verify"))
UIDS = {plan.sop_instance_uid for plan in PLANS}


@pytest.fixture(params=["tantivy", "whoosh"])
def filled(tmp_path: Path, request: pytest.FixtureRequest) -> Appliance:
    """A stopped appliance that holds 24 instances of three studies."""
    appliance = Appliance(tmp_path / "pacs", env={"PACS_INDEX": request.param})
    template = synthetic.small()
    with running(appliance):
        with appliance.association([(template.sop_class_uid, [template.transfer_syntax_uid])]) as assoc:
            for plan in PLANS:
                assoc.store(
                    template.sop_class_uid,
                    plan.sop_instance_uid,
                    template.transfer_syntax_uid,
                    template.data_set(plan),
                )
        assert every_instance(appliance) == UIDS
    return appliance


def _found(appliance: Appliance) -> set[str]:
    with running(appliance):
        return every_instance(appliance)


def test_an_undamaged_archive_is_clean(filled: Appliance) -> None:
    assert filled.pacs("verify").returncode == 0


def test_a_file_that_is_gone_is_reported_and_repaired(filled: Appliance) -> None:
    gone = filled.stored_files()[5]
    gone.unlink()
    found = filled.pacs("verify", check=False)
    assert found.returncode != 0
    assert gone.stem in found.stdout + found.stderr
    filled.pacs("verify", "--repair", check=False)
    assert filled.pacs("verify").returncode == 0
    assert _found(filled) == UIDS - {gone.stem}


def test_a_file_that_the_index_does_not_know_is_reported_and_repaired(
    filled: Appliance, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    shutil.copytree(filled.storage, aside)
    lost = filled.stored_files()[3]
    lost.unlink()
    filled.pacs("rebuild")
    assert filled.pacs("verify").returncode == 0
    lost.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(aside / lost.relative_to(filled.storage), lost)
    assert filled.pacs("verify", check=False).returncode != 0
    filled.pacs("verify", "--repair", check=False)
    assert filled.pacs("verify").returncode == 0
    assert _found(filled) == UIDS


def test_a_deleted_index_is_made_anew(filled: Appliance) -> None:
    shutil.rmtree(filled.data / "index")
    filled.pacs("rebuild")
    assert filled.pacs("verify").returncode == 0
    assert _found(filled) == UIDS


def test_a_server_that_finds_no_index_makes_it_anew_by_itself(filled: Appliance) -> None:
    shutil.rmtree(filled.data / "index")
    assert _found(filled) == UIDS


def test_a_damaged_index_is_made_anew(filled: Appliance) -> None:
    for path in (filled.data / "index").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert filled.pacs("rebuild", check=False).returncode == 0
    assert _found(filled) == UIDS


def test_another_engine_is_filled_from_the_same_files(filled: Appliance) -> None:
    other = "whoosh" if filled.env["PACS_INDEX"] == "tantivy" else "tantivy"
    filled.env["PACS_INDEX"] = other
    assert _found(filled) == UIDS


def test_verify_and_rebuild_say_so_while_a_server_writes(filled: Appliance) -> None:
    with running(filled):
        rebuilt = filled.pacs("rebuild", check=False)
        assert rebuilt.returncode != 0
        assert "Traceback" not in rebuilt.stderr
        assert every_instance(filled) == UIDS


def test_free_text_and_fields_are_searched(filled: Appliance) -> None:
    one = Plan(1, 0, 0, "verify")
    said = filled.pacs("query", f"PatientName:{one.patient_name} AND Modality:OT").stdout
    assert one.study_instance_uid in said or one.patient_id in said
    assert filled.pacs("query", "PatientName:NOBODY*").stdout.count(one.patient_id) == 0

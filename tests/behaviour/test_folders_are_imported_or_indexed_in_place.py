"""``pacs index``: folders go into the archive, or are indexed where they lie; with and without a server."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from tests import dcmtk
from tests.appliance import PROGRAM, Appliance, running
from tests.dcmtk import Sink
from tests.part_ten import take_apart
from tests.raw_find import every_instance

PLANS = list(synthetic.layout(3, 2, 10, "bulk"))
UIDS = {plan.sop_instance_uid for plan in PLANS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty good files in three folders, and what lies about in real ones."""
    root = tmp_path / "images"
    for study in range(3):
        mine = [plan for plan in PLANS if plan.study == study]
        synthetic.write_files(root / f"study {study}", synthetic.small(), mine)
    (root / "README.txt").write_text("Not an image.")
    (root / "empty.dcm").write_bytes(b"")
    whole = bytes(synthetic.small().fill(Plan(9, 0, 0)))
    (root / "cut off.dcm").write_bytes(whole[:500])
    return root


def _digests(root: Path) -> dict[str, str]:
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("*") if path.is_file()
    }


def test_a_folder_is_imported_without_a_server(appliance: Appliance, folder: Path) -> None:
    before = _digests(folder)
    result = appliance.pacs("index", str(folder), check=False)
    said = result.stdout + result.stderr
    assert "cut off.dcm" in said
    assert "Traceback" not in said
    assert _digests(folder) == before
    assert {path.stem for path in appliance.stored_files()} == UIDS
    with running(appliance):
        assert every_instance(appliance) == UIDS
    assert appliance.pacs("verify").returncode == 0


def test_a_folder_is_imported_while_a_server_runs_and_is_found_at_the_end_of_the_command(
    server: Appliance, folder: Path
) -> None:
    server.pacs("index", str(folder), check=False)
    assert every_instance(server) == UIDS
    dcmtk.echo(server)


def test_an_import_done_again_changes_nothing(server: Appliance, folder: Path) -> None:
    server.pacs("index", str(folder), check=False)
    before = _digests(server.storage)
    server.pacs("index", str(folder), check=False)
    assert _digests(server.storage) == before
    assert every_instance(server) == UIDS


@pytest.mark.parametrize("served", [False, True], ids=["without a server", "with a server"])
def test_an_interrupted_import_is_finished_by_running_it_again(
    appliance: Appliance, tmp_path: Path, served: bool
) -> None:
    plans = list(synthetic.layout(40, 2, 50, "interrupted"))
    root = tmp_path / "many"
    root.mkdir()
    for study in range(40):
        mine = [plan for plan in plans if plan.study == study]
        synthetic.write_files(root / f"study {study}", synthetic.small(), mine)
    if served:
        appliance.start()
    try:
        process = subprocess.Popen(
            [PROGRAM, "index", "--data", str(appliance.data), str(root)],
            env=appliance.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        while len(appliance.stored_files()) < 200 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0].decode()
        assert "Traceback" not in said
        assert process.returncode != 0
        assert len(appliance.stored_files()) < len(plans)
        appliance.pacs("index", str(root))
        if not served:
            appliance.start()
        assert every_instance(appliance) == {plan.sop_instance_uid for plan in plans}
        assert appliance.unfinished_files() == []
        assert appliance.stop() == 0
    finally:
        appliance.kill()
    assert appliance.pacs("verify").returncode == 0


def test_a_folder_indexed_in_place_is_found_and_fetched_and_not_copied(
    server: Appliance, folder: Path, sink: Sink
) -> None:
    before = _digests(folder)
    server.pacs("index", "--in-place", str(folder), check=False)
    assert every_instance(server) == UIDS
    assert server.stored_files() == []
    server.pacs("peer", "add", sink.ae_title, "127.0.0.1", str(sink.port))
    for study in {plan.study_instance_uid for plan in PLANS}:
        dcmtk.move(
            server, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study}, destination=sink.ae_title
        )
    received = {parts.sop_instance_uid: parts.data_set for parts in map(take_apart, sink.files())}
    assert received == {plan.sop_instance_uid: synthetic.small().data_set(plan) for plan in PLANS}
    assert _digests(folder) == before
    assert server.stop() == 0
    assert server.pacs("verify").returncode == 0


def test_storing_over_dimse_goes_on_during_an_import(server: Appliance, folder: Path) -> None:
    importing = subprocess.Popen(
        [PROGRAM, "index", "--data", str(server.data), str(folder)],
        env=server.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    template = synthetic.small()
    plans = [Plan(50, 0, number, "meanwhile") for number in range(50)]
    with server.association([(template.sop_class_uid, [template.transfer_syntax_uid])]) as assoc:
        for plan in plans:
            response = assoc.store(
                template.sop_class_uid,
                plan.sop_instance_uid,
                template.transfer_syntax_uid,
                template.data_set(plan),
            )
            assert response["Status"] == 0
    importing.wait(60)
    assert every_instance(server) == UIDS | {plan.sop_instance_uid for plan in plans}

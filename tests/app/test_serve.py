"""``pacs serve`` as a process, driven by DCMTK's tools; tests/behaviour goes further."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.appliance import Appliance, running
from tests.samples import sample
from tests.tool import tool


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    return Appliance(tmp_path / "data")


def dcmtk(name: str, appliance: Appliance, *arguments: str) -> str:
    command = [tool(name), "-v", "-aec", "PACS", "127.0.0.1", str(appliance.dimse_port)]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return result.stdout + result.stderr


def store(appliance: Appliance) -> None:
    assert "Received Store Response (Success)" in dcmtk("storescu", appliance, str(sample("CT_small.dcm")))


def find(appliance: Appliance) -> str:
    keys = ("QueryRetrieveLevel=STUDY", "PatientID=1CT1", "StudyInstanceUID", "ModalitiesInStudy")
    return dcmtk("findscu", appliance, "-S", *(part for key in keys for part in ("-k", key)))


def test_what_was_stored_is_found_and_sigterm_ends_the_server_with_0(appliance: Appliance) -> None:
    with running(appliance):
        assert "Received Echo Response (Success)" in dcmtk("echoscu", appliance)
        store(appliance)
        assert "[CT]" in find(appliance)
        assert appliance.stop() == 0
    lines = appliance.log_records()
    stored = next(line for line in lines if line.get("operation") == "C-STORE")
    assert stored["status"] == "0000"
    assert "CompressedSamples" not in appliance.log_text(), "a patient's name"


def test_nothing_that_is_written_is_for_every_user_of_the_host(appliance: Appliance) -> None:
    appliance.data.mkdir(mode=0o755)
    with running(appliance):
        store(appliance)
        assert "[CT]" in find(appliance)
    written = list(appliance.data.rglob("*"))
    assert any(path.suffix == ".dcm" for path in written)
    assert any("index" in path.parts and path.is_file() for path in written)
    assert [path for path in written if path.stat().st_mode & 0o007] == []


def test_ctrl_c_ends_the_server_with_0(appliance: Appliance) -> None:
    with running(appliance):
        assert appliance.process is not None
        appliance.process.send_signal(signal.SIGINT)
        assert appliance.process.wait(30) == 0


def test_a_second_signal_cuts_off_what_the_first_let_go_on(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path / "data", "--drain-limit", "60")
    with running(appliance), socket.create_connection(("127.0.0.1", appliance.dimse_port)) as silent:
        time.sleep(0.2)
        assert appliance.process is not None
        appliance.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        appliance.process.send_signal(signal.SIGTERM)
        assert appliance.process.wait(15) == 0
        silent.close()


def test_readiness_names_every_check(appliance: Appliance) -> None:
    with running(appliance):
        found = json.loads(appliance.get("/health/ready"))
    assert found["ready"] is True
    assert set(found["checks"]) == {"storage", "lease", "index", "journal", "workers"}


def test_metrics_tell_operations_and_state(appliance: Appliance) -> None:
    with running(appliance):
        store(appliance)
        find(appliance)
        assert appliance.metric(r'pacs_operations_total\{operation="C-STORE",status="0000"\}') == 1
        assert appliance.metric(r'pacs_operation_bytes_total\{operation="C-STORE"\}') > 30_000
        assert appliance.metric(r'pacs_entities\{level="IMAGE"\}') == 1
        assert appliance.metric(r"pacs_storage_free_bytes") > 0
        assert appliance.metric(r'pacs_associations_total\{change="opened"\}') == 2
        for name in ("pacs_index_lag_instances", "pacs_quarantine_objects", "pacs_associations_open"):
            assert f"\n{name} 0.0" in appliance.get("/metrics")


@pytest.mark.parametrize(("port", "setting"), [("dimse_port", "--dimse-port"), ("http_port", "--http-port")])
def test_a_taken_port_is_one_line_that_names_the_setting(
    appliance: Appliance, port: str, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", getattr(appliance, port))):
        assert appliance.spawn().wait(60) == 1
    last = appliance.log_text().splitlines()[-1]
    assert last.startswith("pacs: ")
    assert setting in last
    assert "Traceback" not in appliance.log_text()


def test_an_index_that_is_gone_is_made_anew_at_the_start(appliance: Appliance) -> None:
    with running(appliance):
        store(appliance)
    (appliance.data / "index").rename(appliance.data / "elsewhere")
    with running(appliance):
        assert "[CT]" in find(appliance)
    assert "The index was made anew from storage: 1 instances" in appliance.log_text()


def test_files_indexed_in_place_are_found_again_when_the_index_is_gone(
    appliance: Appliance, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "one.dcm").write_bytes(sample("CT_small.dcm").read_bytes())
    appliance.pacs("index", "--in-place", str(folder))
    (appliance.data / "index").rename(appliance.data / "old")
    with running(appliance):
        assert "[CT]" in find(appliance)


def test_a_server_that_lost_its_lease_stops_and_says_so(appliance: Appliance) -> None:
    with running(appliance):
        lease = appliance.data / "lease"
        lease.write_text(lease.read_text().replace('"token": "', '"token": "another'))
        dcmtk("storescu", appliance, str(sample("CT_small.dcm")))
        assert appliance.process is not None
        assert appliance.process.wait(30) == 1
    assert "has become the index writer" in appliance.log_text().splitlines()[-1]

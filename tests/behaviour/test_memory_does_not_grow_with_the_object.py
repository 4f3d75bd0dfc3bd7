"""A multi-frame object of 2 GiB passes through the server in little memory."""

from __future__ import annotations

import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import EXPLICIT
from tests import dcmtk
from tests.appliance import Appliance
from tests.raw_find import every_instance

MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.4"
PIXEL_BYTES = 2 << 30
BLOCK = bytes(range(256)) * 4096
LIMIT_BYTES = 64 << 20


def _header(plan: Plan) -> bytes:
    """The header of a small object, of another SOP class and without its pixel data."""
    data = synthetic.small().data_set(plan)
    sop_class = synthetic.small().sop_class_uid.encode()
    padded = len(sop_class) + len(sop_class) % 2
    old = struct.pack("<HH2sH", 0x0008, 0x0016, b"UI", padded) + sop_class.ljust(padded, b"\0")
    uid = MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE.encode()
    new = struct.pack("<HH2sH", 0x0008, 0x0016, b"UI", len(uid) + len(uid) % 2) + uid + b"\0" * (len(uid) % 2)
    assert old in data
    return data[: data.index(b"\xe0\x7f\x10\x00")].replace(old, new)


def _object(plan: Plan) -> Iterator[bytes]:
    yield _header(plan) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, PIXEL_BYTES)
    for _ in range(PIXEL_BYTES // len(BLOCK)):
        yield BLOCK


def _warm_up(appliance: Appliance) -> None:
    """A few ordinary objects, so that what is loaded at first use is not counted."""
    template = synthetic.ct()
    with appliance.association([(template.sop_class_uid, [EXPLICIT])]) as assoc:
        for number in range(4):
            plan = Plan(1, 0, number, "large")
            assoc.store(template.sop_class_uid, plan.sop_instance_uid, EXPLICIT, template.data_set(plan))
    assert len(every_instance(appliance)) == 4


def test_two_gib_are_stored_and_moved_in_less_than_64_mib(server: Appliance, tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 3 * PIXEL_BYTES:
        pytest.skip("this test needs 6 GiB of free disk")
    plan = Plan(0, 0, 0, "large")
    size = len(_header(plan)) + 12 + PIXEL_BYTES
    _warm_up(server)
    before = server.resident_bytes()
    server.forget_peak()
    with server.association([(MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE, [EXPLICIT])], timeout=240) as assoc:
        status = assoc.store(
            MULTI_FRAME_TRUE_COLOR_SECONDARY_CAPTURE, plan.sop_instance_uid, EXPLICIT, _object(plan)
        )["Status"]
    assert status == 0
    assert plan.sop_instance_uid in every_instance(server)
    assert server.resident_bytes(peak=True) - before < LIMIT_BYTES

    (path,) = (path for path in server.stored_files() if path.stem == plan.sop_instance_uid)
    assert size < path.stat().st_size < size + 1024
    with path.open("rb") as file:
        file.seek(-PIXEL_BYTES, 2)
        while block := file.read(len(BLOCK)):
            assert block == BLOCK

    server.forget_peak()
    with dcmtk.storescp(tmp_path / "sink", "--ignore") as sink:
        server.pacs("peer", "add", sink.ae_title, "127.0.0.1", str(sink.port))
        said = dcmtk.move(
            server,
            {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": plan.study_instance_uid},
            destination=sink.ae_title,
        )
    assert "Success" in said
    assert server.resident_bytes(peak=True) - before < LIMIT_BYTES
    path.unlink()


def test_many_associations_leave_nothing_behind(server: Appliance) -> None:
    template = synthetic.small()
    contexts = [(template.sop_class_uid, [template.transfer_syntax_uid])]

    def associate(times: int) -> None:
        for _ in range(times):
            with server.association(contexts):
                pass

    associate(100)
    before, threads, files = server.resident_bytes(), server.threads(), server.open_files()
    associate(400)
    _settle(server, threads)
    assert server.resident_bytes() - before < 8 << 20
    assert server.threads() <= threads + 1
    assert server.open_files() <= files + 1


def _settle(server: Appliance, threads: int) -> None:
    deadline = time.monotonic() + 5
    while server.threads() > threads and time.monotonic() < deadline:
        time.sleep(0.05)

"""Storage, journal and index on a file system that fills up: A700, nothing half-written, nothing lost."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from tests.appliance import Appliance, running
from tests.part_ten import take_apart
from tests.raw_find import every_instance
from tests.tool import tool

OUT_OF_RESOURCES = 0xA700
MIB = 1 << 20


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    mounted = subprocess.run(
        [tool("mount"), "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([tool("umount"), "--lazy", str(folder)], check=True)


def _send(appliance: Appliance, plans: list[Plan]) -> dict[Plan, int]:
    """The status of each object, a CT slice of 522 KiB."""
    template = synthetic.ct()
    with appliance.association([(template.sop_class_uid, [template.transfer_syntax_uid])]) as assoc:
        return {
            plan: int(
                assoc.store(
                    template.sop_class_uid,
                    plan.sop_instance_uid,
                    template.transfer_syntax_uid,
                    template.data_set(plan),
                )["Status"]
            )
            for plan in plans
        }


def _plans(count: int, study: int = 0) -> list[Plan]:
    return [Plan(study, 0, number, "full") for number in range(count)]


def _free(ballast: Path) -> None:
    """Make room, and wait until the server has noticed: it looks once a second."""
    ballast.unlink()
    time.sleep(1.1)


def _assert_consistent(appliance: Appliance, statuses: dict[Plan, int]) -> None:
    stored = {plan.sop_instance_uid for plan, status in statuses.items() if status == 0}
    assert every_instance(appliance) == stored
    files = {path.stem: path for path in appliance.stored_files()}
    assert files.keys() == stored
    for plan, status in statuses.items():
        if status == 0:
            assert take_apart(files[plan.sop_instance_uid]).data_set == synthetic.ct().data_set(plan)


def test_full_storage_answers_a700_leaves_nothing_and_stores_again_when_there_is_space(
    tmp_path: Path, small_file_system: Path
) -> None:
    ballast = small_file_system / "ballast"
    ballast.write_bytes(bytes(8 * MIB))
    appliance = Appliance(tmp_path / "pacs", "--storage-reserve", "0", storage=small_file_system / "archive")
    with running(appliance):
        first = _send(appliance, _plans(60))
        assert set(first.values()) == {0, OUT_OF_RESOURCES}
        assert list(first.values()).index(OUT_OF_RESOURCES) > 20
        assert appliance.unfinished_files() == []
        _assert_consistent(appliance, first)

        _free(ballast)
        again = _send(appliance, [plan for plan, status in first.items() if status][:10])
        assert set(again.values()) == {0}
        _assert_consistent(appliance, {**first, **again})
    assert appliance.pacs("verify").returncode == 0


def test_storage_under_its_reserve_answers_a700(tmp_path: Path, small_file_system: Path) -> None:
    appliance = Appliance(
        tmp_path / "pacs", "--storage-reserve", "16MiB", storage=small_file_system / "archive"
    )
    with running(appliance):
        statuses = _send(appliance, _plans(30))
        assert set(statuses.values()) == {0, OUT_OF_RESOURCES}
        assert os.statvfs(small_file_system).f_bavail * os.statvfs(small_file_system).f_frsize > 15 * MIB
        _assert_consistent(appliance, statuses)


def test_storage_index_and_journal_on_one_full_file_system_lose_nothing(small_file_system: Path) -> None:
    appliance = Appliance(small_file_system / "pacs", "--storage-reserve", "0")
    appliance.log = small_file_system.parent / "pacs.log"
    ballast = small_file_system / "ballast"
    ballast.write_bytes(bytes(4 * MIB))
    with running(appliance):
        statuses = _send(appliance, _plans(60))
        assert set(statuses.values()) <= {0, OUT_OF_RESOURCES}
        assert OUT_OF_RESOURCES in statuses.values()
        _free(ballast)
        statuses |= _send(appliance, _plans(2, study=1))
        _assert_consistent(appliance, statuses)
    assert appliance.pacs("verify").returncode == 0


def test_a_kill_on_a_full_file_system_loses_nothing(small_file_system: Path) -> None:
    appliance = Appliance(small_file_system / "pacs", "--storage-reserve", "0")
    appliance.log = small_file_system.parent / "pacs.log"
    ballast = small_file_system / "ballast"
    ballast.write_bytes(bytes(4 * MIB))
    try:
        appliance.start()
        statuses = _send(appliance, _plans(60))
        appliance.kill()
        ballast.unlink()
        with running(appliance):
            _assert_consistent(appliance, statuses)
            assert appliance.unfinished_files() == []
    finally:
        appliance.kill()
    assert appliance.pacs("verify").returncode == 0

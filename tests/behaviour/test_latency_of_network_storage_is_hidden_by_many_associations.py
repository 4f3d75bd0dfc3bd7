"""Files on EFS: 5 ms are added to every file-system operation of the server; work goes on side by side."""

from __future__ import annotations

import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from tests.appliance import Appliance, running
from tests.raw_find import every_instance
from tests.tool import tool

DELAY_MICROSECONDS = 5000
ASSOCIATIONS = 8


@pytest.fixture(scope="module")
def slow_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes file operations slow."""
    library = tmp_path_factory.mktemp("slow") / "slow_files.so"
    source = Path(__file__).parent / "slow_files.c"
    compiled = subprocess.run(
        [tool("cc"), "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    if compiled.returncode:
        pytest.skip(f"a C program cannot be compiled here: {compiled.stderr[-500:]}")
    return library


@dataclass(frozen=True, slots=True)
class Rates:
    """Objects stored a second over one association, and over all together."""

    one: float
    many: float


def _send(appliance: Appliance, plans: list[Plan]) -> None:
    template = synthetic.ct()
    with appliance.association([(template.sop_class_uid, [template.transfer_syntax_uid])]) as assoc:
        for plan in plans:
            status = assoc.store(
                template.sop_class_uid,
                plan.sop_instance_uid,
                template.transfer_syntax_uid,
                template.data_set(plan),
            )["Status"]
            assert status == 0


def _rate(appliance: Appliance, associations: int, each: int, family: str) -> float:
    """Objects a second until all are acknowledged."""
    threads = [
        threading.Thread(
            target=_send, args=(appliance, [Plan(number, 0, instance, family) for instance in range(each)])
        )
        for number in range(associations)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return associations * each / (time.perf_counter() - started)


def _rates(appliance: Appliance, each: int) -> Rates:
    with running(appliance):
        _rate(appliance, ASSOCIATIONS, 2, "warm up")
        rates = Rates(_rate(appliance, 1, each, "one"), _rate(appliance, ASSOCIATIONS, each, "many"))
        assert len(every_instance(appliance)) == (ASSOCIATIONS + 1) * each + 2 * ASSOCIATIONS
    return rates


def test_eight_associations_lose_less_to_latency_than_one(tmp_path: Path, slow_files: Path) -> None:
    quick = _rates(Appliance(tmp_path / "quick"), 60)
    folder = tmp_path / "slow"
    slow = _rates(
        Appliance(
            folder,
            env={
                "LD_PRELOAD": str(slow_files),
                "SLOW_FOLDER": str(folder),
                "SLOW_MICROSECONDS": str(DELAY_MICROSECONDS),
            },
        ),
        20,
    )
    words = f"quick {quick}, slow {slow}"
    # One association waits for each operation in turn; what eight lose must be far less than that.
    assert quick.one / slow.one > 2, f"the delay does not reach the server: {words}"
    assert quick.many / slow.many < quick.one / slow.one / 2, words
    assert slow.many > 3 * slow.one, words

"""``pacs serve`` with worker processes: shared limits, shared sight, and what happens when one dies."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import IMPLICIT, VERIFICATION, Association, Broken, Rejected
from tests.appliance import Appliance, running
from tests.raw_find import CONTEXTS, STUDY_INSTANCE_UID, every_instance, find

ECHO = [(VERIFICATION, [IMPLICIT])]
TEMPLATE = synthetic.small()
STORE = [(TEMPLATE.sop_class_uid, [TEMPLATE.transfer_syntax_uid])]


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def is_there(pid: int) -> bool:
    """Whether the process runs: one that is dead and not waited for does not."""
    try:
        return not re.search(r"^State:\s+Z", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False


def sockets(pid: int) -> int:
    links = (os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir())
    return sum(link.startswith("socket:") for link in links)


def store(association: Association, plan: Plan) -> int:
    data = TEMPLATE.data_set(plan)
    answer = association.store(
        TEMPLATE.sop_class_uid, plan.sop_instance_uid, TEMPLATE.transfer_syntax_uid, data
    )
    return int(answer["Status"])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Appliance]]:
    with ExitStack() as stack:

        def started(*options: str, workers: int = 2) -> Appliance:
            appliance = Appliance(tmp_path / "data", "--workers", str(workers), *options)
            return stack.enter_context(running(appliance))

        yield started


def workers(appliance: Appliance) -> list[int]:
    return [
        pid
        for pid in appliance.processes()
        if b"pacs.app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def wait_for_all(appliance: Appliance, count: int = 2) -> list[int]:
    eventually(lambda: appliance.metric("pacs_workers ") == count)
    return workers(appliance)


def test_associations_are_spread_over_the_workers(start: Callable[..., Appliance]) -> None:
    appliance = start()
    pids = wait_for_all(appliance)
    idle = [sockets(pid) for pid in pids]
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(appliance.association(ECHO))
        assert [sockets(pid) - before for pid, before in zip(pids, idle, strict=True)] == [2, 2]
        assert appliance.metric("pacs_associations_open ") == 4
    eventually(lambda: appliance.metric("pacs_associations_open ") == 0)


@pytest.mark.parametrize("engine", ["tantivy", "whoosh"])
def test_what_one_worker_acknowledged_another_finds_at_once(
    start: Callable[..., Appliance], engine: str
) -> None:
    appliance = start("--index", engine)
    wait_for_all(appliance)
    with appliance.association(STORE) as storing, appliance.association(CONTEXTS) as finding:
        for number in range(20):
            plan = Plan(number, 0, 0, "side by side")
            assert store(storing, plan) == 0
            assert len(find(finding, "STUDY", {STUDY_INSTANCE_UID: plan.study_instance_uid})) == 1


def test_the_limit_of_associations_holds_over_the_workers(start: Callable[..., Appliance]) -> None:
    appliance = start("--max-associations", "3")
    wait_for_all(appliance)
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(appliance.association(ECHO))
            for _ in range(3):
                with pytest.raises(Rejected) as rejected, appliance.association(ECHO):
                    pass
                assert rejected.value.result == 2
        eventually(lambda: appliance.metric("pacs_associations_open ") == 0)


def test_a_worker_that_is_killed_is_replaced_and_what_it_acknowledged_is_found(
    start: Callable[..., Appliance],
) -> None:
    appliance = start()
    first, second = wait_for_all(appliance)
    plans = [Plan(number, 0, 0, "killed") for number in range(30)]
    with ExitStack() as stack:
        associations = [stack.enter_context(closing(appliance.association(STORE).open())) for _ in range(2)]
        for number, plan in enumerate(plans):
            assert store(associations[number % 2], plan) == 0
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not is_there(first))
        alive = 0
        for number, association in enumerate(associations):
            try:
                alive += store(association, Plan(100 + number, 0, 0, "killed")) == 0
            except (Broken, OSError):
                continue
        assert alive == 1, "the other worker's association goes on"
    assert {plan.sop_instance_uid for plan in plans} <= every_instance(appliance)
    pids = wait_for_all(appliance)
    assert second in pids
    assert first not in pids
    eventually(lambda: appliance.metric("pacs_associations_open ") == 0)
    assert f"Worker {first} ended by signal 9 and is replaced" in appliance.log_text()


def test_all_workers_may_die_and_who_connects_meanwhile_waits(start: Callable[..., Appliance]) -> None:
    appliance = start()
    pids = wait_for_all(appliance)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(map(is_there, pids)))
    with appliance.association(ECHO, timeout=10) as association:
        assert association.echo() == 0
    wait_for_all(appliance)


def test_no_process_outlives_the_main_process_and_the_next_start_is_clean(
    start: Callable[..., Appliance],
) -> None:
    appliance = start()
    pids = wait_for_all(appliance)
    plan = Plan(0, 0, 0, "orphans")
    with closing(appliance.association(STORE).open()) as association:
        assert store(association, plan) == 0
        appliance.kill()
        eventually(lambda: not any(map(is_there, pids)), 2)
    appliance.start()
    assert every_instance(appliance) == {plan.sop_instance_uid}


def test_ctrl_c_in_a_terminal_reaches_all_and_ends_all_in_order(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path / "data", "--workers", "2")
    with running(appliance):
        pids = wait_for_all(appliance)
        plan = Plan(0, 0, 0, "terminal")
        with closing(appliance.association(STORE).open()) as association:
            data = TEMPLATE.data_set(plan)

            def halves() -> Iterator[bytes]:
                yield data[:500]
                for pid in [*pids, appliance.pid]:
                    os.kill(pid, signal.SIGINT)
                time.sleep(0.5)
                yield data[500:]

            answer = association.store(
                TEMPLATE.sop_class_uid, plan.sop_instance_uid, TEMPLATE.transfer_syntax_uid, halves()
            )
            assert answer["Status"] == 0
        assert appliance.process is not None
        assert appliance.process.wait(10) == 0
    assert "Traceback" not in appliance.log_text()
    assert not any(map(is_there, pids))


def test_operations_of_all_workers_are_counted(start: Callable[..., Appliance]) -> None:
    appliance = start()
    wait_for_all(appliance)
    with ExitStack() as stack:
        associations = [stack.enter_context(appliance.association(ECHO)) for _ in range(4)]
        for association in associations * 5:
            assert association.echo() == 0
    eventually(lambda: appliance.metric(r'pacs_associations_total\{change="released"\}') == 4)
    assert appliance.metric(r'pacs_operations_total\{operation="C-ECHO",status="0000"\}') == 20


def test_a_server_without_workers_serves_by_itself(start: Callable[..., Appliance]) -> None:
    appliance = start(workers=0)
    assert workers(appliance) == []
    with appliance.association(STORE) as association:
        assert store(association, Plan(0, 0, 0, "alone")) == 0
    assert len(every_instance(appliance)) == 1

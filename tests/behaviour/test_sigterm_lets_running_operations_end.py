"""SIGTERM: no new associations, running operations end within a limit, exit code 0."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import Broken, Rejected
from tests import dcmtk
from tests.appliance import Appliance

TEMPLATE = synthetic.ct()
CONTEXTS = [(TEMPLATE.sop_class_uid, [TEMPLATE.transfer_syntax_uid])]


def _in_two_halves(data: bytes, between: Callable[[], None]) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    between()
    yield data[len(data) // 2 :]


def _terminate(appliance: Appliance) -> None:
    assert appliance.process is not None
    appliance.process.send_signal(signal.SIGTERM)


def _is_refused(appliance: Appliance) -> bool:
    try:
        with appliance.association(CONTEXTS, timeout=3):
            return False
    except (OSError, Broken, Rejected):
        return True


def test_a_running_store_ends_well_while_new_associations_are_refused(server: Appliance) -> None:
    plan = Plan(0, 0, 0, "drain")
    refused = []

    def between() -> None:
        _terminate(server)
        time.sleep(0.7)
        refused.append(_is_refused(server))

    with contextlib.closing(server.association(CONTEXTS).open()) as assoc:
        halves = _in_two_halves(TEMPLATE.data_set(plan), between)
        status = assoc.store(
            TEMPLATE.sop_class_uid, plan.sop_instance_uid, TEMPLATE.transfer_syntax_uid, halves
        )["Status"]
        assert status == 0
        assert refused == [True]
        assert server.process is not None
        assert server.process.wait(10) == 0
    assert [path.stem for path in server.stored_files()] == [plan.sop_instance_uid]


def test_an_idle_association_does_not_hold_up_the_end(server: Appliance) -> None:
    with contextlib.closing(server.association(CONTEXTS).open()):
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 5


def test_an_operation_over_the_limit_is_cut_off(start: Callable[..., Appliance]) -> None:
    appliance = start("--drain-limit", "1")
    plan = Plan(0, 0, 0, "drain")
    with contextlib.closing(appliance.association(CONTEXTS).open()) as assoc:
        assoc.send_command(
            assoc.context_of(TEMPLATE.sop_class_uid),
            assoc.store_command(TEMPLATE.sop_class_uid, plan.sop_instance_uid),
        )
        time.sleep(0.2)
        started = time.monotonic()
        assert appliance.stop() == 0
        assert 0.8 < time.monotonic() - started < 6
    assert appliance.stored_files() == []
    assert appliance.unfinished_files() == []


def test_a_running_move_ends_with_all_its_instances(server: Appliance, tmp_path: Path) -> None:
    plans = [Plan(0, 0, number, "drain") for number in range(5)]
    with server.association(CONTEXTS) as assoc:
        for plan in plans:
            assoc.store(
                TEMPLATE.sop_class_uid,
                plan.sop_instance_uid,
                TEMPLATE.transfer_syntax_uid,
                TEMPLATE.data_set(plan),
            )
    with dcmtk.storescp(tmp_path / "sink", "--sleep-after", "1") as sink:
        server.pacs("peer", "add", sink.ae_title, "127.0.0.1", str(sink.port))
        said: list[str] = []
        moving = threading.Thread(
            target=lambda: said.append(
                dcmtk.move(
                    server,
                    {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": plans[0].study_instance_uid},
                    destination=sink.ae_title,
                    check=False,
                )
            )
        )
        moving.start()
        while not sink.files():
            time.sleep(0.05)
        assert server.stop() == 0
        moving.join()
        assert len(sink.files()) == len(plans), said
    assert "Received Final Move Response (Success)" in said[0]

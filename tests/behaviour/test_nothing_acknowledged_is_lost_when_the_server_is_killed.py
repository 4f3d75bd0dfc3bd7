"""SIGKILL at random moments of an ingest over four associations; then everything acknowledged is there."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import Broken, Rejected
from tests.appliance import Appliance
from tests.part_ten import take_apart
from tests.raw_find import every_instance

KILLS = 30
SENDERS = 4
INSTANCES_IN_A_STUDY = 40


class Sender(threading.Thread):
    """Sends objects until told to stop, and remembers what was acknowledged."""

    def __init__(self, appliance: Appliance, number: int) -> None:
        super().__init__(name=f"sender {number}")
        self.appliance = appliance
        self.acknowledged: list[Plan] = []
        self.unexpected: list[str] = []
        self.enough = threading.Event()
        self._plans = _plans(number)

    def run(self) -> None:
        """Send until told to stop."""
        plan = next(self._plans)
        while not self.enough.is_set():
            try:
                with self.appliance.association(_contexts(), timeout=20) as assoc:
                    while not self.enough.is_set():
                        template = template_of(plan)
                        status = assoc.store(
                            template.sop_class_uid,
                            plan.sop_instance_uid,
                            template.transfer_syntax_uid,
                            template.data_set(plan),
                        )["Status"]
                        if status == 0:
                            self.acknowledged.append(plan)
                        else:
                            self.unexpected.append(f"{status:04X}")
                        plan = next(self._plans)
            except (OSError, Broken, Rejected, KeyError):
                # Not acknowledged: the same object is sent again, as any modality does.
                time.sleep(0.01)


def template_of(plan: Plan) -> synthetic.Template:
    """Every fourth object is a CT slice, so that a kill also falls into the middle of a large write."""
    return synthetic.ct() if plan.instance % 4 == 3 else synthetic.small()


def _contexts() -> list[tuple[str, list[str]]]:
    return [
        (template.sop_class_uid, [template.transfer_syntax_uid])
        for template in (synthetic.ct(), synthetic.small())
    ]


def _plans(sender: int) -> Iterator[Plan]:
    study = sender
    while True:
        for instance in range(INSTANCES_IN_A_STUDY):
            yield Plan(study, 0, instance, "killed")
        study += SENDERS


def test_every_acknowledged_instance_survives_thirty_kills(appliance: Appliance) -> None:
    moment = random.Random(20)
    senders = [Sender(appliance, number) for number in range(SENDERS)]
    appliance.start()
    for sender in senders:
        sender.start()
    try:
        for _ in range(KILLS):
            # From within the first moments (recovery) to well under way.
            time.sleep(moment.uniform(0.05, 1.0))
            appliance.kill()
            appliance.start()
        time.sleep(0.5)
    finally:
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join(60)
    try:
        _assert_all_there(appliance, senders)
        assert appliance.stop() == 0
    finally:
        appliance.kill()
    assert appliance.unfinished_files() == []
    verified = appliance.pacs("verify")
    assert verified.returncode == 0, verified.stdout


def _assert_all_there(appliance: Appliance, senders: list[Sender]) -> None:
    acknowledged = [plan for sender in senders for plan in sender.acknowledged]
    assert [status for sender in senders for status in sender.unexpected] == []
    assert len(acknowledged) > 10 * KILLS
    found = every_instance(appliance)
    assert {plan.sop_instance_uid for plan in acknowledged} <= found
    files = {path.stem: path for path in appliance.stored_files()}
    assert found == files.keys(), "what is found and what is stored differ"
    for plan in acknowledged:
        assert take_apart(files[plan.sop_instance_uid]).data_set == template_of(plan).data_set(plan)
    # What was sent and not acknowledged may be there, but only whole.
    for uid in files.keys() - {plan.sop_instance_uid for plan in acknowledged}:
        _assert_whole(files[uid])


def _assert_whole(path: Path) -> None:
    whole = {
        len(template.data) - template.data_set_offset for template in (synthetic.ct(), synthetic.small())
    }
    assert len(take_apart(path).data_set) in whole, path

"""How C-FIND and C-STORE change as the index grows; the index is filled directly, without files."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks import client, synthetic
from benchmarks.measurement import Measure, Sample
from benchmarks.server import Product, Server, running
from benchmarks.synthetic import Plan
from benchmarks.wire import EXPLICIT
from benchmarks.workspace import Workspace
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.location import Location
from pacs.dicom.reader import read_header
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.tantivy import TantivyIndex

SERIES, INSTANCES = 4, 25
"""The shape of every study."""

FAMILY = "growth"
BATCH = 10_000
STORED = 1000
REPEATS = 15

FIND_BY_NAME, FIND_BY_UID, STORE = (
    "C-FIND by name",
    "C-FIND by Study Instance UID",
    "C-STORE of 4 KiB objects",
)


def run(workspace: Workspace, rounds: int, sizes: Sequence[int]) -> Iterator[Sample]:
    """Each size has a server of its own; the last samples hold the largest against the smallest."""
    medians: dict[tuple[str, int], float] = {}
    for size in sizes:
        with workspace.folder("growth") as folder:
            started = time.perf_counter()
            fill(folder / "data" / "index" / "tantivy", size)
            filling = Measure(f"filling the index, {size} instances", "instances/s", True)
            yield Sample(filling, Product.OURS, size / (time.perf_counter() - started))
            samples = []
            with running(Product.OURS, folder) as server:
                for number in range(rounds):
                    samples += list(_round(workspace, server, size, number))
        yield from samples
        for name in (FIND_BY_NAME, FIND_BY_UID, STORE):
            mine = [sample.value for sample in samples if sample.measure.name.startswith(name)]
            medians[name, size] = statistics.median(mine)
    for name in (FIND_BY_NAME, FIND_BY_UID, STORE):
        first, last = medians[name, sizes[0]], medians[name, sizes[-1]]
        slower = first / last if name == STORE else last / first
        title = f"{name}, {sizes[-1]} instances take so many times what {sizes[0]} take (aim: 1.5)"
        yield Sample(Measure(title, "times", False), Product.OURS, slower)


def fill(folder: Path, instances: int) -> None:
    """Put so many instances, in studies of a hundred, into a new index in ``folder``."""
    index = TantivyIndex(folder, writable=True, check_lease=lambda: None)
    try:
        grow(index, stored(instances))
        index.rebuilt()
    finally:
        index.close()


def grow(index: TantivyIndex, instances: Iterator[StoredInstance]) -> None:
    """Put ``instances`` into ``index`` in batches."""
    while batch := list(islice(instances, BATCH)):
        index.apply(derive(batch, index))


def stored(instances: int, family: str = FAMILY) -> Iterator[StoredInstance]:
    """So many instances, as if they were in storage; whole studies."""
    base = read_header(synthetic.small().data_set(Plan(0, 0, 0)), EXPLICIT, complete=True)
    for plan in synthetic.layout(max(1, instances // (SERIES * INSTANCES)), SERIES, INSTANCES, family):
        yield _stored(base, plan)


def _stored(base: Header, plan: Plan) -> StoredInstance:
    values = {
        **base.values,
        tags.SOP_INSTANCE_UID: plan.sop_instance_uid,
        tags.STUDY_INSTANCE_UID: plan.study_instance_uid,
        tags.SERIES_INSTANCE_UID: plan.series_instance_uid,
        tags.PATIENT_NAME: plan.patient_name,
        tags.PATIENT_ID: plan.patient_id,
        tags.STUDY_DATE: plan.study_date,
        tags.INSTANCE_NUMBER: str(plan.instance + 1),
        tags.SERIES_NUMBER: str(plan.series + 1),
    }
    location = Location(f"{plan.study_instance_uid}/{plan.sop_instance_uid}.dcm", EXPLICIT, 4156, 0)
    return StoredInstance(Header(values, base.vrs), location)


def _round(workspace: Workspace, server: Server, size: int, number: int) -> Iterator[Sample]:
    middle = Plan(size // (SERIES * INSTANCES) // 2, 0, 0, FAMILY)
    questions = {
        FIND_BY_NAME: {client.PATIENT_NAME: middle.patient_name},
        FIND_BY_UID: {client.STUDY_INSTANCE_UID: middle.study_instance_uid},
    }
    with client.querying(server) as assoc:
        for name, matching in questions.items():
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                answers = client.find(assoc, "STUDY", matching)
                times.append(time.perf_counter() - started)
                if answers != 1:
                    raise RuntimeError(f"{name} has {answers} answers among {size} instances")
            measure = Measure(f"{name}, {size} instances", "ms", False)
            yield Sample(measure, server.product, 1000 * statistics.median(times))
    with workspace.folder("added") as folder:
        plans = list(islice(synthetic.layout(10, SERIES, INSTANCES, f"added {number}"), STORED))
        synthetic.write_files(folder / "files", synthetic.small(), plans)
        started = time.perf_counter()
        client.store(server, [[folder / "files"]])
        with client.querying(server) as assoc:
            client.find(assoc, "STUDY", {client.STUDY_INSTANCE_UID: plans[-1].study_instance_uid})
        measure = Measure(f"{STORE}, {size} instances", "objects/s", True)
        yield Sample(measure, server.product, len(plans) / (time.perf_counter() - started))

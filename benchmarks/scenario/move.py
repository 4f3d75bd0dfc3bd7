"""C-MOVE of one study to storescp, which throws it away."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks import client, synthetic
from benchmarks.measurement import Measure, Sample
from benchmarks.server import Product, running
from benchmarks.workspace import Workspace

TARGET = 1.5


def run(workspace: Workspace, products: Sequence[Product], rounds: int, instances: int) -> Iterator[Sample]:
    """Fill each product with one study of ``instances`` CT slices, then let them take turns."""
    given = workspace.input(synthetic.ct(), 1, 4, instances // 4, 4)
    study = given.plans[0].study_instance_uid
    measure = Measure(f"C-MOVE {len(given.plans)} CT of 512 KiB to storescp", "objects/s", True, TARGET)
    with ExitStack() as stack:
        sink_port = stack.enter_context(client.sink())
        servers = []
        for product in products:
            folder = stack.enter_context(workspace.folder(product))
            server = stack.enter_context(running(product, folder, sink_port))
            client.store(server, [list(given.folders)])
            if (stored := client.visible_instances(server, given.studies())) != len(given.plans):
                raise RuntimeError(f"{product} shows {stored} of {len(given.plans)} instances")
            servers.append(server)
        for _ in range(rounds):
            for server in servers:
                started = time.perf_counter()
                client.move(server, study)
                yield Sample(measure, server.product, len(given.plans) / (time.perf_counter() - started))

"""C-STORE: from the first storescu's start until everything is on disk and found by a query."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import client, synthetic
from benchmarks.measurement import Measure, Sample
from benchmarks.server import Product, running
from benchmarks.synthetic import Template
from benchmarks.workspace import Input, Workspace, by_association

MOST_FOR_DCMQRSCP = 2000


@dataclass(frozen=True, slots=True)
class Load:
    """What is stored: ``studies`` x ``series`` x ``instances`` objects made from one template."""

    title: str
    template: Template
    studies: int
    series: int
    instances: int
    associations: int

    @property
    def measure(self) -> Measure:
        """Objects a second; three times Orthanc is the aim."""
        word = "association" if self.associations == 1 else "associations"
        count = self.studies * self.series * self.instances
        return Measure(f"C-STORE {count} {self.title}, {self.associations} {word}", "objects/s", True, 3.0)


def ct_load(associations: int, scale: float) -> Load:
    """1000 CT of 512 KiB in four studies."""
    return Load("CT of 512 KiB", synthetic.ct(), 4, 1, max(1, round(250 * scale)), associations)


def small_load(scale: float) -> Load:
    """10 000 objects of 4 KiB in 100 studies of four series."""
    return Load("objects of 4 KiB", synthetic.small(), 100, 4, max(1, round(25 * scale)), 4)


def run(workspace: Workspace, products: Sequence[Product], rounds: int, load: Load) -> Iterator[Sample]:
    """Each round starts each product on an empty folder.

    dcmqrscp is left out of more than ``MOST_FOR_DCMQRSCP`` objects: it searches its whole index for each.
    """
    if load.studies * load.series * load.instances > MOST_FOR_DCMQRSCP:
        products = [product for product in products if product is not Product.DCMQRSCP]
    given = workspace.input(load.template, load.studies, load.series, load.instances, 4)
    for _ in range(rounds):
        for product in products:
            yield _round(workspace, product, load, given)


def _round(workspace: Workspace, product: Product, load: Load, given: Input) -> Sample:
    wanted = len(given.plans)
    with workspace.folder(product) as folder, running(product, folder) as server:
        os.sync()
        started = time.perf_counter()
        client.store(server, by_association(given.folders, load.associations))
        # dcmqrscp writes without fsync; this makes "durable at the end" the same for all.
        os.sync()
        stored = client.visible_instances(server, given.studies())
        seconds = time.perf_counter() - started
    if stored != wanted and product is not Product.DCMQRSCP:
        raise RuntimeError(f"{product} shows {stored} of {wanted} instances")
    note = f"refused {wanted - stored} of {wanted} objects" if stored != wanted else ""
    return Sample(load.measure, product, stored / seconds, note)

"""C-FIND at STUDY level over many studies of one small object each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks import client, synthetic
from benchmarks.measurement import Measure, Sample
from benchmarks.server import Product, Server, running
from benchmarks.workspace import Workspace, by_association

TARGET = 2.0
REPEATS = 3
"""A round asks each question so many times and keeps the quickest, which is the one least disturbed."""

QUESTIONS = {
    "one name": {client.PATIENT_NAME: "{name}"},
    "a prefix of names": {client.PATIENT_NAME: "FAMILY1*"},
    "a range of dates": {client.STUDY_DATE: "20120101-20120624"},
    "all studies": {},
}


def run(workspace: Workspace, products: Sequence[Product], rounds: int, studies: int) -> Iterator[Sample]:
    """Fill each product, then let them take turns. dcmqrscp holds 500 studies at most, and is left out."""
    given = workspace.input(synthetic.small(), studies, 1, 1, 4)
    loading = Measure(f"C-STORE {studies} studies of one 4 KiB object, 4 associations", "objects/s", True)
    with ExitStack() as stack:
        servers = []
        for product in products:
            if product is Product.DCMQRSCP:
                continue
            folder = stack.enter_context(workspace.folder(product))
            server = stack.enter_context(running(product, folder))
            started = time.perf_counter()
            client.store(server, by_association(given.folders, 4))
            stored = client.visible_instances(server, given.studies())
            yield Sample(loading, product, stored / (time.perf_counter() - started))
            if stored != studies:
                raise RuntimeError(f"{product} shows {stored} of {studies} instances")
            servers.append(server)
        for _ in range(rounds):
            for server in servers:
                yield from _round(server, studies)


def _round(server: Server, studies: int) -> Iterator[Sample]:
    for name, template in QUESTIONS.items():
        middle = synthetic.Plan(studies // 2, 0, 0).patient_name
        matching = {tag: value.format(name=middle) for tag, value in template.items()}
        with client.querying(server) as assoc:
            times = []
            for _ in range(REPEATS):
                started = time.perf_counter()
                answers = client.find(assoc, "STUDY", matching)
                times.append(time.perf_counter() - started)
        title = f"C-FIND {name}, {answers} of {studies} studies"
        yield Sample(Measure(f"{title}, bare socket", "ms", False, TARGET), server.product, 1000 * min(times))
        process = min(client.find_with_findscu(server, matching) for _ in range(REPEATS))
        yield Sample(Measure(f"{title}, findscu", "ms", False, TARGET), server.product, 1000 * process)

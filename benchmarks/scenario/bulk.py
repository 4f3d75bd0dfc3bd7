"""``pacs index`` over many small files, no server running: from its start to its end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

from benchmarks import synthetic
from benchmarks.measurement import Measure, Sample
from benchmarks.program import pacs
from benchmarks.server import Product
from benchmarks.workspace import Workspace


def run(workspace: Workspace, rounds: int, files: int) -> Iterator[Sample]:
    """Files of 4 KiB in folders of 500; copied into the archive, then indexed in place."""
    studies = max(1, files // 100)
    given = workspace.input(synthetic.small(), studies, 4, 25, max(1, files // 500))
    for _ in range(rounds):
        for title, options in (("", ()), (" --in-place", ("--in-place",))):
            with workspace.folder("bulk") as folder:
                os.sync()
                started = time.perf_counter()
                subprocess.run(
                    [pacs(), "index", *options, "--data", str(folder), str(given.folders[0].parent)],
                    check=True,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                seconds = time.perf_counter() - started
            measure = Measure(f"pacs index{title}, {len(given.plans)} files of 4 KiB", "files/s", True)
            yield Sample(measure, Product.OURS, len(given.plans) / seconds)

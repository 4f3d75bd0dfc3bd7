"""How the index itself answers as it grows: no network, no files; what ``scenario/growth.py`` stores.

``python -m benchmarks.index_growth 10000 100000 1000000``
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.scenario.growth import FAMILY, INSTANCES, SERIES, grow, stored
from benchmarks.synthetic import Plan
from pacs.dicom import tags
from pacs.dicom.level import Level
from pacs.index.hierarchy import derive
from pacs.index.tantivy import TantivyIndex
from pacs.query.match import matcher
from pacs.query.tree import Equals, Node, PersonName

REPEATS = 51


def median(action: Callable[[int], object]) -> float:
    """Median milliseconds of ``action``."""
    taken = []
    for number in range(REPEATS):
        started = time.perf_counter()
        action(number)
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def find(index: TantivyIndex, where: Node) -> int:
    """How many studies match."""
    matches = matcher(where)
    return sum(matches(entity.header) for entity in index.search(Level.STUDY, where))


def measure(folder: Path, size: int) -> str:
    """A line of figures for an index of ``size`` instances."""
    index = TantivyIndex(folder, writable=True, check_lease=lambda: None)
    try:
        started = time.perf_counter()
        grow(index, stored(size))
        seconds = time.perf_counter() - started
        studies = max(1, size // (SERIES * INSTANCES))
        plans = [Plan(number * 7919 % studies, 0, 0, FAMILY) for number in range(REPEATS)]
        name = median(lambda n: find(index, PersonName((tags.PATIENT_NAME,), plans[n].patient_name.lower())))
        uid = median(
            lambda n: find(index, Equals((tags.STUDY_INSTANCE_UID,), "UI", plans[n].study_instance_uid))
        )
        more = list(stored(REPEATS, "more"))
        add = median(lambda n: index.apply(derive([more[n]], index)))
    finally:
        index.close()
    return (
        f"{size} instances: {size / seconds:.0f}/s filled; find by name {name:.3f} ms, "
        f"by Study Instance UID {uid:.3f} ms; add of one instance {add:.1f} ms"
    )


def main() -> None:
    """Print a line for each size."""
    for size in map(int, sys.argv[1:] or ["10000"]):
        with tempfile.TemporaryDirectory() as folder:
            print(measure(Path(folder) / "index", size))


if __name__ == "__main__":
    main()

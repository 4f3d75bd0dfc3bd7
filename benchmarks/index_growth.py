"""How the index itself answers as it grows: no network, no files, entities put directly.

``python -m benchmarks.index_growth 10000 100000 1000000``
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pacs.dicom import tags
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.index.hierarchy import StoredInstance, derive
from pacs.index.tantivy import TantivyIndex
from pacs.query.match import matcher
from pacs.query.tree import Equals, Node, PersonName

SERIES, INSTANCES = 4, 25
"""The shape of every study."""

BATCH = 2000
REPEATS = 51


def instances(size: int) -> Iterator[StoredInstance]:
    """So many instances of a CT-like header."""
    constant: dict[int, Value] = {0x00189300 + number: f"value {number % 7} of many" for number in range(60)}
    for number in range(size):
        study, series = number // (SERIES * INSTANCES), number // INSTANCES
        values: dict[int, Value] = {
            tags.SOP_CLASS_UID: "1.2.840.10008.5.1.4.1.1.2",
            tags.SOP_INSTANCE_UID: f"1.2.826.0.1.3680043.9.1.{study}.{series}.{number}",
            tags.STUDY_DATE: f"20{study // 336 % 25:02}{study // 28 % 12 + 1:02}{study % 28 + 1:02}",
            tags.MODALITY: "CT",
            tags.PATIENT_NAME: f"Family{study}^Given",
            tags.PATIENT_ID: f"P{study}",
            tags.STUDY_INSTANCE_UID: f"1.2.826.0.1.3680043.9.1.{study}",
            tags.SERIES_INSTANCE_UID: f"1.2.826.0.1.3680043.9.1.{study}.{series}",
            tags.INSTANCE_NUMBER: str(number % INSTANCES + 1),
        }
        values.update(constant)
        yield StoredInstance(Header(values), Location(f"a/{number}", "1.2.840.10008.1.2.1", 4096, 0))


def fill(index: TantivyIndex, size: int) -> float:
    """Seconds that ``size`` instances take, in batches."""
    started = time.perf_counter()
    batch: list[StoredInstance] = []
    for instance in instances(size):
        batch.append(instance)
        if len(batch) == BATCH:
            index.apply(derive(batch, index))
            batch = []
    index.apply(derive(batch, index))
    return time.perf_counter() - started


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


def main() -> None:
    """Print a line for each size."""
    for size in map(int, sys.argv[1:] or ["10000"]):
        with tempfile.TemporaryDirectory() as folder:
            index = TantivyIndex(Path(folder) / "index", writable=True, check_lease=lambda: None)
            seconds = fill(index, size)
            studies = size // (SERIES * INSTANCES)
            name = median(
                lambda n, index=index, studies=studies: find(  # type: ignore[misc]
                    index, PersonName((tags.PATIENT_NAME,), f"family{n * 7919 % studies}^given")
                )
            )
            uid = median(
                lambda n, index=index, studies=studies: find(  # type: ignore[misc]
                    index,
                    Equals((tags.STUDY_INSTANCE_UID,), "UI", f"1.2.826.0.1.3680043.9.1.{n * 7919 % studies}"),
                )
            )
            stored = list(instances(size + REPEATS))[size:]
            add = median(lambda n, index=index, stored=stored: index.apply(derive([stored[n]], index)))  # type: ignore[misc]
            index.close()
            print(
                f"{size} instances: {size / seconds:.0f}/s filled; find by name {name:.3f} ms, "
                f"by Study Instance UID {uid:.3f} ms; add of one instance {add:.1f} ms"
            )


if __name__ == "__main__":
    main()

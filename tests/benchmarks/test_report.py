"""Medians, ratios, and the generated parts of a document."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measurement import Measure, Sample, rows
from benchmarks.report import table, write_part
from benchmarks.server import Product

RATE = Measure("store", "objects/s", True, 3.0)
TIME = Measure("find", "ms", False, 2.0)


def _samples(measure: Measure, ours: list[float], theirs: list[float]) -> list[Sample]:
    return [Sample(measure, Product.OURS, value) for value in ours] + [
        Sample(measure, Product.ORTHANC, value) for value in theirs
    ]


def test_a_ratio_says_how_many_times_better_we_are() -> None:
    faster, quicker = rows(_samples(RATE, [900, 10, 1000], [300, 300, 1]) + _samples(TIME, [5], [20]))
    assert faster.medians[Product.OURS] == 900
    assert faster.ratio(Product.ORTHANC) == 3
    assert quicker.ratio(Product.ORTHANC) == 4
    assert faster.ratio(Product.DCMQRSCP) is None


def test_the_table_tells_reached_aims_from_missed_ones() -> None:
    text = table(rows(_samples(RATE, [900], [301]) + _samples(TIME, [5], [20])))
    assert "3 (**missed**)" in text
    assert "2 (reached)" in text


def test_a_generated_part_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Benchmarks\n\nBefore.\n")
    write_part(document, "store", "one")
    write_part(document, "find", "other")
    document.write_text(document.read_text() + "\nAfter.\n")
    write_part(document, "store", "two")
    text = document.read_text()
    assert "one" not in text
    assert text.index("Before.") < text.index("two") < text.index("other") < text.index("After.")

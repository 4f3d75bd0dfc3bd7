"""One figure of one product in one round, and what the rounds come to."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.server import Product


@dataclass(frozen=True, slots=True)
class Measure:
    """What a figure means: its name for people, its unit, and whether more of it is better.

    ``target`` is how many times better than Orthanc we mean to be; 0 where there is no such aim.
    """

    name: str
    unit: str
    more_is_better: bool
    target: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure of one round."""

    measure: Measure
    product: Product
    value: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one measure: medians by product, and notes."""

    measure: Measure
    medians: dict[Product, float]
    rounds: dict[Product, int]
    notes: tuple[str, ...]

    def ratio(self, other: Product) -> float | None:
        """How many times better we are than ``other``; None where one of the two was not measured."""
        ours, theirs = self.medians.get(Product.OURS), self.medians.get(other)
        if not ours or not theirs:
            return None
        return ours / theirs if self.measure.more_is_better else theirs / ours


def rows(samples: Iterable[Sample]) -> list[Row]:
    """One row a measure, in the order in which the measures first came."""
    by_measure: dict[Measure, list[Sample]] = {}
    for sample in samples:
        by_measure.setdefault(sample.measure, []).append(sample)
    return [_row(measure, group) for measure, group in by_measure.items()]


def _row(measure: Measure, samples: Sequence[Sample]) -> Row:
    values: dict[Product, list[float]] = {}
    for sample in samples:
        values.setdefault(sample.product, []).append(sample.value)
    notes = tuple(dict.fromkeys(f"{sample.product}: {sample.note}" for sample in samples if sample.note))
    medians = {product: statistics.median(figures) for product, figures in values.items()}
    return Row(measure, medians, {product: len(figures) for product, figures in values.items()}, notes)

"""/metrics: what the appliance did and how it stands, in the Prometheus text format.

``OperationMetrics`` is an Observer that counts; ``Gauges`` asks for values when it is scraped. Both keep
their numbers in the registry that they are given. Labels hold operation names and statuses, nothing that a
peer can choose, so that the number of series is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from flask import Blueprint, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pacs.archive.observer import AssociationChange, Caller, Operation
from pacs.errors import PacsError

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds of the latency buckets: a C-STORE takes about a millisecond, a large C-MOVE minutes."""


@dataclass(frozen=True, slots=True)
class _Series:
    """The counters of one operation and status, looked up once."""

    operations: Counter
    size: Counter
    seconds: Histogram
    completed: Counter
    failed: Counter


class OperationMetrics:
    """The Observer that counts operations and associations."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._operations = Counter(
            "pacs_operations", "Finished operations.", ["operation", "status"], registry=registry
        )
        self._size = Counter(
            "pacs_operation_bytes", "Bytes of data sets received or sent.", ["operation"], registry=registry
        )
        self._seconds = Histogram(
            "pacs_operation_seconds",
            "Time of an operation.",
            ["operation"],
            registry=registry,
            buckets=SECONDS,
        )
        self._items = Counter(
            "pacs_operation_items",
            "Answers given and sub-operations done, by result.",
            ["operation", "result"],
            registry=registry,
        )
        associations = Counter(
            "pacs_associations", "Associations by what became of them.", ["change"], registry=registry
        )
        self._associations = {change: associations.labels(change.value) for change in AssociationChange}
        self._series: dict[tuple[str, int], _Series] = {}

    def operation(self, operation: Operation) -> None:
        """Count one finished operation."""
        key = operation.name, operation.status
        series = self._series.get(key) or self._make(key)
        series.operations.inc()
        series.seconds.observe(operation.seconds)
        if operation.size:
            series.size.inc(operation.size)
        if operation.count:
            series.completed.inc(operation.count)
        if operation.failed:
            series.failed.inc(operation.failed)

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """Count what befell an association."""
        self._associations[change].inc()

    def _make(self, key: tuple[str, int]) -> _Series:
        name, status = key
        series = self._series[key] = _Series(
            self._operations.labels(name, f"{status:04X}"),
            self._size.labels(name),
            self._seconds.labels(name),
            self._items.labels(name, "completed"),
            self._items.labels(name, "failed"),
        )
        return series


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value asked for at each scrape; ``values`` maps a label's value to it ("" where there is no label).

    ``values`` may raise PacsError or OSError: the gauge is then absent, which is what an alarm can see.
    """

    name: str
    help: str
    values: Callable[[], dict[str, float]]
    label: str = ""


class Gauges(Collector):
    """Gauges as a collector for a registry."""

    def __init__(self, gauges: Sequence[Gauge]) -> None:
        self._gauges = tuple(gauges)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Names without values: registering must not ask for any."""
        for gauge in self._gauges:
            yield GaugeMetricFamily(gauge.name, gauge.help)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they stand."""
        for gauge in self._gauges:
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=[gauge.label] if gauge.label else [])
            try:
                values = gauge.values()
            except (PacsError, OSError):
                continue
            for label, value in values.items():
                family.add_metric([label] if gauge.label else [], value)
            yield family


def new_registry(gauges: Sequence[Gauge]) -> CollectorRegistry:
    """A registry with ``gauges``, and memory, processor time and files of this process."""
    # A second series beside every counter, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    registry.register(Gauges(gauges))
    ProcessCollector(registry=registry)
    return registry


def blueprint(registry: CollectorRegistry) -> Blueprint:
    """The page of this module."""
    pages = Blueprint("metrics", __name__)

    @pages.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return pages

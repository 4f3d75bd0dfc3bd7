from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pacs.archive.observer import AssociationChange, Caller, Operation
from pacs.console.metrics import Gauge, Gauges, OperationMetrics
from pacs.errors import Unavailable


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def lines(registry: CollectorRegistry) -> list[str]:
    return generate_latest(registry).decode().splitlines()


def test_operations_are_counted_by_name_and_status(registry: CollectorRegistry) -> None:
    metrics = OperationMetrics(registry)
    for status in (0x0000, 0x0000, 0xA700):
        metrics.operation(Operation("C-STORE", status, Caller(), seconds=0.002, size=1000))
    assert 'pacs_operations_total{operation="C-STORE",status="0000"} 2.0' in lines(registry)
    assert 'pacs_operations_total{operation="C-STORE",status="A700"} 1.0' in lines(registry)
    assert 'pacs_operation_bytes_total{operation="C-STORE"} 3000.0' in lines(registry)
    assert 'pacs_operation_seconds_bucket{le="0.0025",operation="C-STORE"} 3.0' in lines(registry)


def test_sub_operations_are_counted_by_result(registry: CollectorRegistry) -> None:
    OperationMetrics(registry).operation(Operation("C-MOVE", 0xB000, Caller(), 1.0, count=8, failed=2))
    assert 'pacs_operation_items_total{operation="C-MOVE",result="completed"} 8.0' in lines(registry)
    assert 'pacs_operation_items_total{operation="C-MOVE",result="failed"} 2.0' in lines(registry)


def test_no_label_holds_what_a_peer_can_choose(registry: CollectorRegistry) -> None:
    metrics = OperationMetrics(registry)
    caller = Caller("EVIL-TITLE", "PACS", "192.0.2.7:4444")
    metrics.association(AssociationChange.OPENED, caller)
    metrics.operation(Operation("C-ECHO", 0, caller, 0.001))
    text = generate_latest(registry).decode()
    assert 'pacs_associations_total{change="opened"} 1.0' in text
    assert "EVIL-TITLE" not in text
    assert "192.0.2.7" not in text


def test_gauges_ask_at_each_scrape(registry: CollectorRegistry) -> None:
    values = iter([{"": 3.0}, {"": 4.0}])
    registry.register(Gauges([Gauge("pacs_lag", "Lag.", lambda: next(values))]))
    assert "pacs_lag 3.0" in lines(registry)
    assert "pacs_lag 4.0" in lines(registry)


def test_gauges_may_have_a_label(registry: CollectorRegistry) -> None:
    registry.register(Gauges([Gauge("pacs_entities", "Entities.", lambda: {"STUDY": 2.0}, "level")]))
    assert 'pacs_entities{level="STUDY"} 2.0' in lines(registry)


def test_a_gauge_that_fails_is_absent_and_others_stay(registry: CollectorRegistry) -> None:
    def fail() -> dict[str, float]:
        raise Unavailable("The index is closed.")

    registry.register(Gauges([Gauge("pacs_a", "A.", fail), Gauge("pacs_b", "B.", lambda: {"": 1.0})]))
    assert "pacs_b 1.0" in lines(registry)
    assert not [line for line in lines(registry) if line.startswith("pacs_a")]

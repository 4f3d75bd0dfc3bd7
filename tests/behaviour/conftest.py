"""Fixtures of the end-to-end tests: every test has servers of its own, in folders of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.appliance import Appliance, running
from tests.dcmtk import Sink, storescp


@pytest.fixture
def appliance(tmp_path: Path) -> Appliance:
    """An appliance on an empty data folder, not started."""
    return Appliance(tmp_path / "pacs")


@pytest.fixture
def server(appliance: Appliance) -> Iterator[Appliance]:
    """A running appliance on an empty data folder; it must exit 0 on SIGTERM."""
    with running(appliance):
        yield appliance


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Appliance]]:
    """Start an appliance with options of one's own; it is stopped at the end as ``server`` is."""
    with contextlib.ExitStack() as stack:

        def started(*options: str, data: Path | None = None, env: dict[str, str] | None = None) -> Appliance:
            return stack.enter_context(running(Appliance(data or tmp_path / "pacs", *options, env=env)))

        yield started


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    """A storescp called SINK that keeps what it is sent, byte for byte."""
    with storescp(tmp_path / "sink") as running_sink:
        yield running_sink

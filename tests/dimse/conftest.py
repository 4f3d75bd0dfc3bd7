"""For all DIMSE tests: the libraries set up as the appliance sets them up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pacs.dimse.negotiation import configure_libraries
from tests.dimse.serving import Serving, serving


@pytest.fixture(scope="session", autouse=True)
def _libraries() -> None:
    configure_libraries()


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Serving]:
    """A running DIMSE server over an empty archive."""
    with serving(tmp_path) as running:
        yield running

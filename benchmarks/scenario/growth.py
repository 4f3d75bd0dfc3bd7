"""How C-FIND and C-STORE slow down as the index grows; the index is filled directly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.measurement import Sample
from benchmarks.workspace import Workspace


def run(workspace: Workspace, rounds: int, sizes: Sequence[int]) -> Iterator[Sample]:
    """Not yet."""
    raise NotImplementedError
    yield

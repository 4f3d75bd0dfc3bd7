"""The sample files themselves."""

from __future__ import annotations

from tests.samples import sample, sample_paths


def test_samples_are_found_in_both_packages() -> None:
    assert len(sample_paths()) >= 150


def test_sample_is_found_by_name() -> None:
    assert sample("CT_small.dcm").stat().st_size > 10_000

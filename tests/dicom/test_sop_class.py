"""SOP classes."""

from __future__ import annotations

import pytest
from pynetdicom.presentation import AllStoragePresentationContexts

from pacs.dicom.sop_class import VERIFICATION, is_retired, is_storage, name_of, storage_sop_classes


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.2",  # CT
        "1.2.840.10008.5.1.4.1.1.5",  # NM, retired
        "1.2.840.10008.5.1.4.1.1.40",  # without a name
        "1.2.840.10008.5.1.4.38.1",  # Hanging Protocol
        "1.2.840.10008.5.1.4.1.1.999",  # of a later edition
        "1.3.12.2.1107.5.9.1",  # private
    ],
)
def test_storage_and_unknown_sop_classes_are_stored(uid: str) -> None:
    assert is_storage(uid)


@pytest.mark.parametrize(
    "uid",
    [
        VERIFICATION,
        "1.2.840.10008.1.3.10",  # DICOMDIR
        "1.2.840.10008.1.20.1",  # Storage Commitment
        "1.2.840.10008.5.1.4.1.2.2.1",  # Study Root FIND
        "1.2.840.10008.5.1.4.31",  # worklist
        "1.2.840.10008.1.2.1",  # a transfer syntax
        "1.2.840.10008.4.2",  # a service class
    ],
)
def test_services_and_other_uids_are_not_stored(uid: str) -> None:
    assert not is_storage(uid)


def test_every_storage_class_that_pynetdicom_knows_is_stored() -> None:
    for context in AllStoragePresentationContexts:
        assert is_storage(str(context.abstract_syntax))


def test_storage_sop_classes_have_names() -> None:
    assert len(storage_sop_classes()) > 190
    assert name_of("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert name_of("1.2.3") == "1.2.3"
    assert name_of("1.2.840.10008.5.1.4.1.1.40") == "1.2.840.10008.5.1.4.1.1.40"


def test_retired_sop_classes_are_told() -> None:
    assert is_retired("1.2.840.10008.5.1.4.1.1.5")
    assert not is_retired("1.2.840.10008.5.1.4.1.1.2")

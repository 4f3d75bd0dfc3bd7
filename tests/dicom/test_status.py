"""The status tables."""

from __future__ import annotations

import pytest
from pynetdicom.status import code_to_category

from pacs.dicom.status import (
    Category,
    FindStatus,
    GetStatus,
    MoveStatus,
    Status,
    StoreStatus,
    VerificationStatus,
    category_of,
)

TABLES: tuple[type[Status], ...] = (VerificationStatus, StoreStatus, FindStatus, MoveStatus, GetStatus)
MEMBERS = [status for table in TABLES for status in table]


@pytest.mark.parametrize("status", MEMBERS, ids=repr)
def test_status_is_its_number_and_tells_words_and_section(status: Status) -> None:
    assert status == status.code
    assert status.text
    assert status.section.startswith(("PS3.4 ", "PS3.7 "))


@pytest.mark.parametrize("table", TABLES)
def test_statuses_of_a_service_differ(table: type[Status]) -> None:
    assert len({int(status) for status in table}) == len(table.__members__)


@pytest.mark.parametrize("status", MEMBERS, ids=repr)
def test_category_is_the_one_that_pynetdicom_knows(status: Status) -> None:
    assert status.category.value == code_to_category(int(status)).lower()


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (0x0000, Category.SUCCESS),
        (0xFF00, Category.PENDING),
        (0xFF01, Category.PENDING),
        (0xFE00, Category.CANCEL),
        (0xB123, Category.WARNING),
        (0x0001, Category.WARNING),
        (0xA7FF, Category.FAILURE),
        (0xCFFF, Category.FAILURE),
        (0x0122, Category.FAILURE),
        (0x4567, Category.FAILURE),
    ],
)
def test_category_of_any_number_is_known(code: int, category: Category) -> None:
    assert category_of(code) is category

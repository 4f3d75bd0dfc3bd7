"""Private data elements."""

from __future__ import annotations

import pytest

from pacs.dicom.header import Value
from pacs.dicom.private import creator_tag, is_private, private_vr


def test_odd_groups_are_private() -> None:
    assert is_private(0x00091001)
    assert not is_private(0x00100020)


def test_block_belongs_to_its_creator() -> None:
    assert creator_tag(0x00291018) == 0x00290010
    assert creator_tag(0x0029FF01) == 0x002900FF
    assert creator_tag(0x00290005) == 0


@pytest.mark.parametrize("creator", [0x00290010, 0x00290011])
def test_vr_follows_from_the_creator_of_the_block(creator: int) -> None:
    values: dict[int, Value] = {creator: "SIEMENS CSA HEADER"}
    block = (creator & 0xFF) << 8
    assert private_vr(0x00290000 | block | 0x08, values) == "CS"


def test_vr_is_unknown_without_a_known_creator() -> None:
    assert private_vr(0x00291008, {}) == "UN"
    assert private_vr(0x00291008, {0x00290010: "ACME"}) == "UN"
    assert private_vr(0x00291008, {0x00290010: ()}) == "UN"


def test_creator_itself_is_text() -> None:
    assert private_vr(0x00290010, {}) == "LO"

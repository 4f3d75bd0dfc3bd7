"""UIDs and AE titles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.dicom.uid import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    check_ae_title,
    check_uid,
    new_uid,
)
from pacs.errors import InvalidAETitle, InvalidUID


@pytest.mark.parametrize("text", ["1", "1.2.840.10008.1.1", "1.2.03", "1." + "2" * 62])
def test_uid_of_digits_and_dots_passes(text: str) -> None:
    assert check_uid(text) == text


def test_padding_of_uid_is_removed() -> None:
    assert check_uid("1.2.3\0") == "1.2.3"
    assert check_uid("1.2.3 ") == "1.2.3"


@pytest.mark.parametrize(
    "text",
    ["", ".", "1.", ".1", "1..2", "1.2a", "../1", "1/2", "1.2\n", "1.2\0.3", "1." + "2" * 63, "\uff11.2"],
)
def test_other_text_is_no_uid(text: str) -> None:
    with pytest.raises(InvalidUID):
        check_uid(text)


@given(st.text())
def test_uid_that_passes_is_safe_as_a_file_name(text: str) -> None:
    try:
        uid = check_uid(text)
    except InvalidUID:
        return
    assert set(uid) <= set("0123456789.")
    assert not uid.startswith(".")
    assert len(uid) <= 64


def test_new_uids_are_valid_and_differ() -> None:
    first, second = new_uid(), new_uid()
    assert first != second
    assert check_uid(first) == first


def test_implementation_names_itself_within_the_limits_of_the_standard() -> None:
    assert check_uid(IMPLEMENTATION_CLASS_UID) == IMPLEMENTATION_CLASS_UID
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16


def test_ae_title_loses_its_padding() -> None:
    assert check_ae_title("  STORE SCP  ") == "STORE SCP"


@pytest.mark.parametrize("text", ["", "    ", "A" * 17, "A\\B", "A\nB", "Ä"])
def test_other_text_is_no_ae_title(text: str) -> None:
    with pytest.raises(InvalidAETitle):
        check_ae_title(text)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacs.errors import InvalidUID, NotFound
from pacs.storage import layout

uids = st.lists(st.integers(0, 10**12).map(str), min_size=1, max_size=4).map(".".join)


@given(uids, uids, uids)
def test_uids_are_told_back_from_the_path(study: str, series: str, instance: str) -> None:
    assert layout.uids_of(layout.uri_of(study, series, instance)) == (study, series, instance)


@given(uids, uids)
def test_a_series_lies_in_the_folder_of_its_study(study: str, series: str) -> None:
    assert layout.folder_of(study, series) == f"{layout.folder_of(study)}/{series}"
    assert layout.uri_of(study, series, "1").startswith(layout.folder_of(study, series) + "/")


@given(st.text(max_size=60))
def test_other_text_than_a_path_of_this_layout_is_refused(text: str) -> None:
    with pytest.raises(NotFound):
        layout.uids_of(text)


@pytest.mark.parametrize(
    "uri",
    [
        "/etc/passwd",
        "../000/1/2/3.dcm",
        "000/../2/3.dcm",
        "000/1/2/3.dcm/",
        "000/1/2/3.dcm\n",
        ".incoming/1/2/3.dcm",
        "fff/1/2/3.dcm",  # the hash of another study
    ],
)
def test_paths_that_lead_elsewhere_are_refused(uri: str) -> None:
    with pytest.raises(NotFound):
        layout.uids_of(uri)


@pytest.mark.parametrize("uid", ["", ".", "..", "1/2", "1.2.", "a", "1" * 65])
def test_what_is_no_uid_makes_no_path(uid: str) -> None:
    with pytest.raises(InvalidUID):
        layout.uri_of("1.2", "1.2.3", uid)

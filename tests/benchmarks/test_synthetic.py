"""Synthetic objects are valid, distinct and always the same."""

from __future__ import annotations

import io
from collections import Counter

import pydicom
import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan, Template


@pytest.mark.parametrize("template", [synthetic.ct(), synthetic.small()], ids=["ct", "small"])
def test_an_object_is_what_its_plan_says(template: Template) -> None:
    plan = Plan(3, 1, 41)
    ds = pydicom.dcmread(io.BytesIO(template.fill(plan)))
    assert ds.StudyInstanceUID == plan.study_instance_uid
    assert ds.SeriesInstanceUID == plan.series_instance_uid
    assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID == plan.sop_instance_uid
    assert ds.PatientName == plan.patient_name
    assert ds.PatientID == plan.patient_id
    assert ds.StudyDate == plan.study_date
    assert ds.InstanceNumber == 42
    assert ds.pixel_array.shape == (ds.Rows, ds.Columns)
    assert all(uid.is_valid for uid in (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID))


def test_objects_have_the_sizes_they_are_named_for() -> None:
    assert 512 * 1024 < len(synthetic.ct().fill(Plan(0, 0, 0))) < 530 * 1024
    assert 4000 < len(synthetic.small().fill(Plan(0, 0, 0))) < 4400


def test_the_data_set_is_the_file_without_its_meta_information() -> None:
    template, plan = synthetic.small(), Plan(0, 0, 0)
    file = bytes(template.fill(plan))
    assert file.endswith(template.data_set(plan))
    assert template.data_set(plan).startswith(b"\x08\x00\x05\x00CS")


def test_ten_thousand_studies_hold_what_the_questions_ask_for() -> None:
    plans = list(synthetic.layout(10_000, 1, 1))
    assert len({plan.sop_instance_uid for plan in plans}) == 10_000
    assert sum(plan.patient_name.startswith("FAMILY1") for plan in plans) == 1111
    dates = Counter(plan.study_date for plan in plans)
    assert 470 < sum(count for date, count in dates.items() if "20120101" <= date <= "20120624") < 500

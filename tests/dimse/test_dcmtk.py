"""DCMTK's clients against the server."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from tests.dimse.serving import Serving, destination, slice_of, store
from tests.samples import sample

STUDY = ["-S", "-k", "QueryRetrieveLevel=STUDY"]


def pixel_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_echoscu_is_answered(pacs: Serving) -> None:
    pacs.dcmtk("echoscu")
    assert pacs.recorder.wait_for_operation("C-ECHO").status == 0


def test_storescu_stores_what_findscu_finds(pacs: Serving) -> None:
    path = sample("CT_small.dcm")
    pacs.dcmtk("storescu", str(path))
    ds = pydicom.dcmread(path)
    output = pacs.dcmtk("findscu", *STUDY, "-k", "StudyInstanceUID", "-k", f"PatientID={ds.PatientID}")
    assert str(ds.StudyInstanceUID) in output
    operation = pacs.recorder.wait_for_operation("C-STORE")
    assert (operation.status, operation.count, operation.uid) == (0, 1, ds.SOPInstanceUID)


def test_movescu_sends_the_data_set_unchanged(pacs: Serving) -> None:
    slices = [slice_of(padding=300_000 * n) for n in range(4)]
    study = slices[0].StudyInstanceUID
    for ds in slices:
        ds.StudyInstanceUID = study
    store(pacs, *slices)
    with destination(pacs, "+B") as folder:
        pacs.dcmtk("movescu", *STUDY, "-aem", "DEST", "-k", f"StudyInstanceUID={study}")
        received = {pydicom.dcmread(path).SOPInstanceUID: path for path in pixel_files(folder)}
    assert set(received) == {ds.SOPInstanceUID for ds in slices}
    for ds in slices:
        assert pydicom.dcmread(received[ds.SOPInstanceUID]) == ds
    operation = pacs.recorder.wait_for_operation("C-MOVE")
    assert (operation.status, operation.count, operation.failed) == (0, 4, 0)


@pytest.mark.parametrize("max_pdu", ["4096", "131072"])
def test_getscu_fetches_in_pdus_of_its_size(pacs: Serving, max_pdu: str, tmp_path: Path) -> None:
    ds = slice_of(padding=2_500_000)
    store(pacs, ds)
    folder = tmp_path / "got"
    folder.mkdir()
    pacs.dcmtk(
        *("getscu", *STUDY, "+B", "-pdu", max_pdu, "-od", str(folder)),
        *("-k", f"StudyInstanceUID={ds.StudyInstanceUID}"),
    )
    (path,) = pixel_files(folder)
    assert pydicom.dcmread(path) == ds
    assert pacs.recorder.wait_for_operation("C-GET").status == 0


def test_a_destination_that_takes_no_compression_gets_native_pixels(pacs: Serving, tmp_path: Path) -> None:
    path = sample("JPEG2000.dcm")
    original = pydicom.dcmread(path)
    pacs.dcmtk("storescu", "-xw", str(path))
    with destination(pacs, "+x=") as folder:
        pacs.dcmtk("movescu", *STUDY, "-aem", "DEST", "-k", f"StudyInstanceUID={original.StudyInstanceUID}")
        (received,) = (pydicom.dcmread(path) for path in pixel_files(folder))
    assert not received.file_meta.TransferSyntaxUID.is_compressed
    assert (received.pixel_array == original.pixel_array).all()
    assert received.SOPInstanceUID == original.SOPInstanceUID


def test_a_destination_that_takes_everything_gets_the_stored_bytes(pacs: Serving) -> None:
    path = sample("JPEG2000.dcm")
    original = pydicom.dcmread(path)
    pacs.dcmtk("storescu", "-xw", str(path))
    with destination(pacs, "+xa", "+B") as folder:
        pacs.dcmtk("movescu", *STUDY, "-aem", "DEST", "-k", f"StudyInstanceUID={original.StudyInstanceUID}")
        (received,) = pixel_files(folder)
        (stored,) = pacs.stored()
    ours, theirs = pydicom.dcmread(stored), pydicom.dcmread(received)
    assert theirs.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID != JPEG2000Lossless
    assert ours.PixelData == theirs.PixelData == original.PixelData


def test_an_unknown_destination_is_a801(pacs: Serving) -> None:
    ds = slice_of()
    store(pacs, ds)
    output = pacs.dcmtk(
        "movescu", *STUDY, "-aem", "NOBODY", "-k", f"StudyInstanceUID={ds.StudyInstanceUID}", expect=69
    )
    assert "MoveDestinationUnknown" in output
    assert pacs.recorder.wait_for_operation("C-MOVE").status == 0xA801


def test_storing_the_same_file_again_succeeds_and_keeps_one_copy(pacs: Serving) -> None:
    path = sample("CT_small.dcm")
    pacs.dcmtk("storescu", str(path), str(path))
    pacs.dcmtk("storescu", str(path))
    assert len(pacs.stored()) == 1
    assert not filecmp.cmp(path, pacs.stored()[0], shallow=False)
    assert {operation.status for operation in pacs.recorder.operations} == {0}

"""Every DICOM file of pydicom and pydicom-data goes in, is found at every level, and comes out unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import UID

from benchmarks.wire import (
    C_GET,
    C_STORE,
    IMPLICIT,
    STUDY_ROOT_GET,
    answer_store,
    encode_identifier,
)
from pacs.dicom.uid import derived_uid
from tests import dcmtk
from tests.appliance import Appliance, free_port, running
from tests.part_ten import Parts, take_apart
from tests.samples import sample_paths

STORED, UNREADABLE, INVALID_INSTANCE = 0x0000, 0xC000, 0x0117

REFUSED = {"rtplan_truncated.dcm": UNREADABLE, "bad_sequence.dcm": INVALID_INSTANCE}
"""The header of the one breaks off, the SOP Instance UID of the other has letters."""

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

COLOR_PALETTE = "1.2.840.10008.5.1.4.39.1"
UNREADABLE_FOR_DCMTK = {"explicit_VR-UN.dcm"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample file, with a SOP Instance UID that no other sample has."""

    name: str
    parts: Parts

    @property
    def status(self) -> int:
        """What the server answers to C-STORE."""
        return REFUSED.get(self.name, STORED)


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    """All sample files that hold a composite object.

    Many are one image in several encodings under one UID. As bytes must come back as they went in, a new
    UID of the same length is put where the old one stood. Those without a study (colour palettes, some
    JPEG-LS) are expected in the one that the archive derives for them.
    """
    taken: set[str] = set()
    found = []
    for path in sample_paths():
        parts = take_apart(path)
        uid = parts.sop_instance_uid
        if not uid:
            continue
        if uid in taken:
            fresh = _another(uid, taken)
            data_set = parts.data_set.replace(uid.encode(), fresh.encode(), 1)
            assert data_set != parts.data_set, path
            parts = replace(parts, sop_instance_uid=fresh, data_set=data_set)
        taken.add(parts.sop_instance_uid)
        study = parts.study_instance_uid or derived_uid(f"study of {parts.sop_instance_uid}")
        series = parts.series_instance_uid or derived_uid(f"series of {study}")
        parts = replace(parts, study_instance_uid=study, series_instance_uid=series)
        found.append(Sample(path.name, parts))
    assert len(found) > 200
    return found


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> Iterator[Appliance]:
    """A server that was sent every sample."""
    appliance = Appliance(tmp_path_factory.mktemp("samples") / "pacs")
    with running(appliance):
        for sample in samples:
            parts = sample.parts
            with appliance.association([(parts.sop_class_uid, [parts.transfer_syntax_uid])]) as assoc:
                status = assoc.store(
                    parts.sop_class_uid, parts.sop_instance_uid, parts.transfer_syntax_uid, parts.data_set
                )["Status"]
            assert status == sample.status, f"{sample.name}: {status:04X}"
        yield appliance


def _another(uid: str, taken: set[str]) -> str:
    """A UID as long as ``uid`` that is not among those ``taken``."""
    return next(fresh for number in range(1000, 9999) if (fresh := f"{uid[:-4]}{number}") not in taken)


def _placed(samples: list[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.status == STORED]


def test_the_archive_holds_the_bytes_that_were_sent(archive: Appliance, samples: list[Sample]) -> None:
    stored = {parts.sop_instance_uid: parts for parts in map(take_apart, archive.stored_files())}
    assert stored.keys() == {sample.parts.sop_instance_uid for sample in _placed(samples)}
    for sample in _placed(samples):
        copy = stored[sample.parts.sop_instance_uid]
        assert copy.data_set == sample.parts.data_set, sample.name
        assert copy.transfer_syntax_uid == sample.parts.transfer_syntax_uid, sample.name


def test_stored_files_have_correct_file_meta_information(archive: Appliance) -> None:
    for path in archive.stored_files():
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        meta = ds.file_meta
        assert meta.MediaStorageSOPClassUID == ds.SOPClassUID
        assert meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert meta.SourceApplicationEntityTitle == "RAWSCU"
        assert meta.ImplementationClassUID
        assert meta.FileMetaInformationVersion == b"\0\1"


def test_samples_are_found_at_every_level(archive: Appliance, samples: list[Sample]) -> None:
    placed = _placed(samples)
    studies = dcmtk.find(archive, {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""})
    assert sorted(str(ds.StudyInstanceUID) for ds in studies) == sorted(
        {sample.parts.study_instance_uid for sample in placed}
    )
    for study in studies:
        uid = str(study.StudyInstanceUID)
        mine = [sample.parts for sample in placed if sample.parts.study_instance_uid == uid]
        series = dcmtk.find(
            archive, {"QueryRetrieveLevel": "SERIES", "StudyInstanceUID": uid, "SeriesInstanceUID": ""}
        )
        assert {str(ds.SeriesInstanceUID) for ds in series} == {parts.series_instance_uid for parts in mine}
    one = placed[0].parts
    images = dcmtk.find(
        archive,
        {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": one.study_instance_uid,
            "SeriesInstanceUID": one.series_instance_uid,
            "SOPInstanceUID": "",
        },
    )
    assert {str(ds.SOPInstanceUID) for ds in images} == {
        sample.parts.sop_instance_uid
        for sample in placed
        if sample.parts.series_instance_uid == one.series_instance_uid
    }


def test_patients_are_found(archive: Appliance, samples: list[Sample]) -> None:
    patients = dcmtk.find(
        archive, {"QueryRetrieveLevel": "PATIENT", "PatientID": "", "PatientName": ""}, model="-P"
    )
    assert len(patients) > 30
    one = dcmtk.find(
        archive, {"QueryRetrieveLevel": "PATIENT", "PatientID": "1CT1", "PatientName": ""}, model="-P"
    )
    assert [str(ds.PatientName) for ds in one] == ["CompressedSamples^CT1"]


def test_every_sample_moves_to_movescu_unchanged(
    archive: Appliance, samples: list[Sample], tmp_path: Path
) -> None:
    port = free_port()
    archive.pacs("peer", "add", "MOVER", "127.0.0.1", str(port))
    studies = sorted({sample.parts.study_instance_uid for sample in _placed(samples)})
    for first in range(0, len(studies), 20):
        some = "\\".join(studies[first : first + 20])
        keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": some}
        dcmtk.move(archive, keys, destination="MOVER", port=port, folder=tmp_path, check=False)
    received = {parts.sop_instance_uid: parts for parts in map(take_apart, _files(tmp_path))}
    missing = []
    for sample in _placed(samples):
        copy = received.get(sample.parts.sop_instance_uid)
        if copy is None:
            missing.append(sample.parts.sop_class_uid)
            continue
        assert copy.transfer_syntax_uid == sample.parts.transfer_syntax_uid, sample.name
        assert copy.data_set == sample.parts.data_set, sample.name
    assert set(missing) <= {COLOR_PALETTE}, "movescu takes no colour palettes"


def test_every_sample_is_fetched_by_c_get_unchanged(archive: Appliance, samples: list[Sample]) -> None:
    for sample in _placed(samples):
        parts = sample.parts
        identifier = encode_identifier(
            {
                0x00080052: "IMAGE",
                0x00080018: parts.sop_instance_uid,
                0x0020000D: parts.study_instance_uid,
                0x0020000E: parts.series_instance_uid,
            }
        )
        contexts = [(STUDY_ROOT_GET, [IMPLICIT]), (parts.sop_class_uid, [parts.transfer_syntax_uid])]
        with archive.association(contexts, roles=[parts.sop_class_uid]) as assoc:
            received = []
            for message, data in assoc.query(STUDY_ROOT_GET, identifier, field=C_GET):
                if message["CommandField"] == C_STORE:
                    received.append((message["AffectedSOPInstanceUID"], data))
                    answer_store(assoc, message)
        assert message["Status"] == 0, sample.name
        assert received == [(parts.sop_instance_uid, parts.data_set)], sample.name


@pytest.mark.parametrize(
    "transfer_syntax",
    # getscu proposes Explicit VR whatever +xi says.
    sorted(dcmtk.PROPOSE.keys() - {IMPLICIT}),
    ids=lambda uid: UID(uid).name,
)
def test_getscu_fetches_what_is_stored_in_a_transfer_syntax_that_it_prefers(
    archive: Appliance, samples: list[Sample], tmp_path: Path, transfer_syntax: str
) -> None:
    alike = [sample for sample in _placed(samples) if sample.parts.transfer_syntax_uid == transfer_syntax]
    assert alike
    parts = alike[0].parts
    dcmtk.get(
        archive,
        {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": parts.study_instance_uid,
            "SeriesInstanceUID": parts.series_instance_uid,
            "SOPInstanceUID": parts.sop_instance_uid,
        },
        tmp_path,
        "+" + dcmtk.PROPOSE[transfer_syntax][1:],
    )
    (path,) = _files(tmp_path)
    copy = take_apart(path)
    assert copy.transfer_syntax_uid == transfer_syntax
    assert copy.data_set == parts.data_set


def test_storescu_stores_samples_of_every_transfer_syntax(server: Appliance, tmp_path: Path) -> None:
    """DCMTK rewrites what it reads, so values are compared here and not bytes."""
    whole = [path for path in sample_paths() if _is_whole(path)]
    first_of_uid = {take_apart(path).sop_instance_uid: path for path in reversed(whole)}

    def syntax(path: Path) -> str:
        return take_apart(path).transfer_syntax_uid

    for uid, group in groupby(sorted(first_of_uid.values(), key=syntax), key=syntax):
        said = dcmtk.store(server, list(group), dcmtk.PROPOSE[uid])
        assert "Error" not in said, said
    stored = {parts.sop_instance_uid: path for path in server.stored_files() for parts in [take_apart(path)]}
    assert stored.keys() == first_of_uid.keys()
    for uid, path in first_of_uid.items():
        sent, kept = pydicom.dcmread(path), pydicom.dcmread(stored[uid])
        assert kept.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID, path.name
        for keyword in ("PatientName", "PatientID", "StudyDate", "Modality", "Rows", "Columns"):
            assert kept.get(keyword) == sent.get(keyword), f"{path.name}: {keyword}"


def _is_whole(path: Path) -> bool:
    """Whether DCMTK can read the file and send it as it is."""
    parts = take_apart(path)
    if not parts.sop_instance_uid or path.name in REFUSED or path.name in UNREADABLE_FOR_DCMTK:
        return False
    checked = dcmtk.run("dcmftest", str(path), check=False)
    if checked.returncode:
        return False
    return dcmtk.run("dcmdump", "-q", str(path), check=False).returncode == 0


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())

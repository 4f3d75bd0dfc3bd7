"""Synthetic objects: CT slices and small images of patients who never lived.

An object is made by filling slots of fixed width in one encoded template, so that ten thousand of
them cost about as much as writing the files. The same numbers always give the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as ItemSequence
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

UID_WIDTH = 44
NAME_WIDTH = 24
ID_WIDTH = 10
NUMBER_WIDTH = 6
FIRST_DAY = datetime.date(2010, 1, 1)
DAYS = 3650
"""Study dates are spread evenly over this many days from ``FIRST_DAY`` on."""


def uid(*parts: object) -> str:
    """A UID derived from ``parts``: the same for the same parts, 44 characters (PS3.5 section B.2)."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return "2.25." + str(10**38 + int.from_bytes(digest, "big") % 10**38)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where one object stands: the numbers of its patient, study, series and instance."""

    study: int
    series: int
    instance: int
    family: str = "bench"

    @property
    def study_instance_uid(self) -> str:
        """(0020,000D)."""
        return uid(self.family, self.study)

    @property
    def series_instance_uid(self) -> str:
        """(0020,000E)."""
        return uid(self.family, self.study, self.series)

    @property
    def sop_instance_uid(self) -> str:
        """(0008,0018)."""
        return uid(self.family, self.study, self.series, self.instance)

    @property
    def patient_name(self) -> str:
        """One patient a study; unpadded, so that a prefix such as FAMILY1* means something."""
        return f"FAMILY{self.study}^GIVEN{self.study % 97}"

    @property
    def patient_id(self) -> str:
        """(0010,0020)."""
        return f"PAT{self.study:07d}"

    @property
    def study_date(self) -> str:
        """(0008,0020): neighbouring numbers lie far apart, as 1367 and ``DAYS`` have no common factor."""
        return f"{FIRST_DAY + datetime.timedelta(days=self.study * 1367 % DAYS):%Y%m%d}"


def layout(studies: int, series: int, instances: int, family: str = "bench") -> Iterator[Plan]:
    """Every object of ``studies`` studies of ``series`` series of ``instances`` instances each."""
    for study in range(studies):
        for number in range(series):
            for instance in range(instances):
                yield Plan(study, number, instance, family)


@dataclass(frozen=True, slots=True)
class Template:
    """An encoded Part 10 file with slots; ``slots`` names each slot's offsets and its width."""

    data: bytes
    slots: tuple[tuple[str, tuple[int, ...], int], ...]
    data_set_offset: int
    sop_class_uid: str
    transfer_syntax_uid: str = str(ExplicitVRLittleEndian)

    def fill(self, plan: Plan) -> bytearray:
        """The whole Part 10 file of ``plan``."""
        values = {
            "study": plan.study_instance_uid,
            "series": plan.series_instance_uid,
            "instance": plan.sop_instance_uid,
            "name": plan.patient_name,
            "id": plan.patient_id,
            "date": plan.study_date,
            "number": str(plan.instance + 1),
            "series number": str(plan.series + 1),
        }
        data = bytearray(self.data)
        for name, offsets, width in self.slots:
            value = values[name].encode().ljust(width)
            if len(value) != width:
                raise ValueError(f"the value of slot {name!r} is longer than {width} bytes")
            for offset in offsets:
                data[offset : offset + width] = value
        return data

    def data_set(self, plan: Plan) -> bytes:
        """The data set of ``plan`` alone, as C-STORE sends it."""
        return bytes(memoryview(self.fill(plan))[self.data_set_offset :])


def _marks() -> dict[str, str]:
    """What stands in each slot while the template is encoded: unique text of the slot's width."""
    return {
        "study": "1.1." + "7" * (UID_WIDTH - 4),
        "series": "1.2." + "7" * (UID_WIDTH - 4),
        "instance": "1.3." + "7" * (UID_WIDTH - 4),
        "name": "N" * NAME_WIDTH,
        "id": "J" * ID_WIDTH,
        "date": "29991231",
        "number": "777771",
        "series number": "777772",
    }


def _template(ds: Dataset) -> Template:
    marks = _marks()
    ds.StudyInstanceUID = marks["study"]
    ds.SeriesInstanceUID = marks["series"]
    ds.SOPInstanceUID = marks["instance"]
    ds.PatientName = marks["name"]
    ds.PatientID = marks["id"]
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = marks["date"]
    ds.InstanceNumber = int(marks["number"])
    ds.SeriesNumber = int(marks["series number"])
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    buffer = io.BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    data = buffer.getvalue()
    slots = tuple((name, tuple(_find_all(data, mark.encode())), len(mark)) for name, mark in marks.items())
    meta_length = int.from_bytes(data[140:144], "little")
    return Template(data, slots, 144 + meta_length, str(ds.SOPClassUID))


def _find_all(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + len(mark))


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CTImageStorage
    item.ReferencedSOPInstanceUID = uid("reference", number)
    return item


def _patient_and_study(ds: Dataset) -> None:
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.AccessionNumber = "A0001"
    ds.PatientBirthDate = "19600229"
    ds.PatientSex = "O"
    ds.StudyTime = "103535.218000"
    ds.StudyID = "1"
    ds.StudyDescription = "Chest routine"
    ds.ReferringPhysicianName = "REFERRING^PHYSICIAN"


@cache
def ct() -> Template:
    """A CT slice of 512 x 512 pixels of 16 bits (512 KiB) with some 190 elements, private ones among them."""
    ds = Dataset()
    _patient_and_study(ds)
    ds.SOPClassUID = CTImageStorage
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
    ds.InstanceCreationDate, ds.InstanceCreationTime = "20200102", "104219.828000"
    ds.SeriesTime, ds.AcquisitionTime, ds.ContentTime = "104219.828000", "104143.915715", "104143.915715"
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "CT", "SYNTHETIC", "Model 64"
    ds.InstitutionName, ds.InstitutionAddress = "Bench Hospital", "1 Loopback Road"
    ds.StationName, ds.InstitutionalDepartmentName = "CT01", "Radiology"
    ds.SeriesDescription, ds.ProtocolName = "Venous phase 5.0 B30f", "ThoraxRoutine"
    ds.OperatorsName, ds.PerformingPhysicianName = "OPERATOR^ONE", "PERFORMING^PHYSICIAN"
    ds.NameOfPhysiciansReadingStudy = "READING^PHYSICIAN"
    ds.ProcedureCodeSequence = ItemSequence([_code("CT0012", "BENCH", "Chest routine")])
    ds.ReferencedStudySequence = ItemSequence([_reference(0)])
    ds.ReferencedImageSequence = ItemSequence([_reference(1), _reference(2), _reference(3)])
    ds.SourceImageSequence = ItemSequence([_reference(4)])
    ds.DerivationDescription = "None"
    ds.AnatomicRegionSequence = ItemSequence([_code("T-D3000", "SRT", "Chest")])
    ds.PatientAge, ds.PatientSize, ds.PatientWeight = "056Y", "1.75", "75"
    ds.PregnancyStatus, ds.EthnicGroup, ds.Occupation = 4, "X", "None"
    ds.AdditionalPatientHistory, ds.PatientComments = "None", "Synthetic"
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "Never was a patient"
    ds.DeidentificationMethodCodeSequence = ItemSequence(
        [_code(str(113100 + number), "DCM", f"Deidentification option {number}") for number in range(8)]
    )
    ds.ContrastBolusAgent, ds.ContrastBolusRoute, ds.ContrastBolusVolume = "Agent", "IV", "80"
    ds.BodyPartExamined, ds.ScanOptions, ds.SliceThickness, ds.KVP = "CHEST", "HELIX", "5", "120"
    ds.DataCollectionDiameter, ds.DeviceSerialNumber, ds.SoftwareVersions = "500", "12345", "syn CT 2020A"
    ds.ReconstructionDiameter, ds.DistanceSourceToDetector, ds.DistanceSourceToPatient = "351", "1040", "570"
    ds.GantryDetectorTilt, ds.TableHeight, ds.RotationDirection = "0", "127", "CW"
    ds.ExposureTime, ds.XRayTubeCurrent, ds.Exposure, ds.FilterType = "500", "102", "42", "0"
    ds.GeneratorPower, ds.FocalSpots = "19", "1.2"
    ds.DateOfLastCalibration, ds.TimeOfLastCalibration = "20200101", "072031.000000"
    ds.ConvolutionKernel, ds.PatientPosition, ds.SpiralPitchFactor = "B30f", "HFS", 0.9
    ds.SingleCollimationWidth, ds.TotalCollimationWidth, ds.TableSpeed, ds.CTDIvol = 0.6, 28.8, 46.0, 7.1
    ds.AcquisitionNumber, ds.ImageComments = "2", "No comment"
    ds.ImagePositionPatient = ["-175.5", "-300.5", "-12.5"]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid("frame of reference"), "XY"
    ds.Laterality, ds.SliceLocation, ds.TemporalPositionIdentifier = "U", "-12.5", "1"
    ds.RequestedProcedureDescription, ds.RequestedProcedureID = "Chest", "RP1"
    ds.ScheduledProcedureStepID, ds.ScheduledProcedureStepDescription = "SPS1", "Chest"
    ds.PerformedProcedureStepID, ds.PerformedProcedureStepDescription = "PPS1", "Chest"
    ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = "20200102", "103000"
    request = Dataset()
    request.RequestedProcedureID, request.ScheduledProcedureStepID = "RP1", "SPS1"
    request.ScheduledProtocolCodeSequence = ItemSequence([_code("P1", "BENCH", "Protocol")])
    ds.RequestAttributesSequence = ItemSequence([request])
    ds.WindowCenter, ds.WindowWidth = ["40", "300"], ["400", "1500"]
    ds.WindowCenterWidthExplanation = ["WINDOW1", "WINDOW2"]
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
    private = ds.private_block(0x0029, "BENCH CSA HEADER", create=True)
    private.add_new(0x08, "CS", "IMAGE NUM 4")
    private.add_new(0x09, "LO", "20200102")
    private.add_new(0x10, "OB", bytes(6000))
    for number in range(0x20, 0x38):
        private.add_new(number, "LO", f"private value {number}")
    _pixels(ds, 512, 16, _anatomy())
    return _template(ds)


@cache
def small() -> Template:
    """A secondary capture object of 4 KiB: some 30 attributes and 56 x 56 pixels of 8 bits."""
    ds = Dataset()
    _patient_and_study(ds)
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.Modality, ds.Manufacturer, ds.ConversionType = "OT", "SYNTHETIC", "WSD"
    ds.SeriesDescription, ds.BodyPartExamined = "Small object", "CHEST"
    _pixels(ds, 56, 8, bytes(56 * 56))
    return _template(ds)


def _pixels(ds: Dataset, side: int, bits: int, data: bytes) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = side
    ds.PixelSpacing = ["0.7", "0.7"]
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit, ds.PixelRepresentation = bits - 1, int(bits == 16)
    ds.PixelData = data


def _anatomy() -> bytes:
    """A disc of tissue in air, with noise."""
    rows, columns = np.mgrid[-1:1:512j, -1:1:512j]
    noise = np.random.default_rng(7).normal(0, 12, (512, 512))
    image = np.where(rows**2 + columns**2 < 0.7, 1064, 24) + noise
    return image.astype("<i2").tobytes()


def write_files(folder: Path, template: Template, plans: Sequence[Plan]) -> int:
    """One file for each of ``plans`` directly in ``folder``; the bytes written."""
    folder.mkdir(parents=True)
    size = 0
    for number, plan in enumerate(plans):
        size += (folder / f"{number:06d}.dcm").write_bytes(template.fill(plan))
    return size

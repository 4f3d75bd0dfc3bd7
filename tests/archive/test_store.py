from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pydicom
import pytest
from pydicom.errors import InvalidDicomError

from pacs.archive.store import Outcome, Stored
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.errors import DataSetMismatch, InvalidInput, InvalidUID, OutOfResources, UnreadableDataSet
from tests.archive.site import CALLER, Site
from tests.encoded import CT_IMAGE_STORAGE, Instance
from tests.part_ten import take_apart
from tests.samples import sample_paths

ONE = Instance("1.2.1.1.1")


def test_a_stored_instance_is_found_and_its_bytes_are_those_received(site: Site) -> None:
    stored = site.put(ONE)
    assert stored == Stored(Outcome.STORED, ONE.sop_instance_uid, len(ONE.data_set))
    assert site.found() == {ONE.sop_instance_uid}
    assert site.data_set(ONE.sop_instance_uid) == ONE.data_set


@pytest.mark.parametrize("part", [1, 7, 1000])
def test_it_does_not_matter_in_which_pieces_an_instance_comes(site: Site, part: int) -> None:
    site.put(ONE, part)
    site.found()
    assert site.data_set(ONE.sop_instance_uid) == ONE.data_set


def test_the_stored_file_has_file_meta_information_that_others_read(site: Site) -> None:
    site.put(ONE)
    ds = pydicom.dcmread(site.files()[0])
    assert ds.file_meta.MediaStorageSOPClassUID == CT_IMAGE_STORAGE
    assert ds.file_meta.MediaStorageSOPInstanceUID == ONE.sop_instance_uid
    assert ds.file_meta.TransferSyntaxUID == ONE.transfer_syntax_uid
    assert ds.file_meta.SourceApplicationEntityTitle == "MODALITY"
    assert ds.PixelData == ONE.pixels


def test_success_is_told_only_after_file_and_journal_record_are_there(site: Site) -> None:
    site.put(ONE)
    assert [path.name for path in site.files()] == [f"{ONE.sop_instance_uid}.dcm"]
    assert len(site.segments()) == 1
    assert ONE.sop_instance_uid.encode() in site.segments()[0].read_bytes()


def test_the_same_instance_again_is_a_success_without_a_second_copy(site: Site) -> None:
    site.put(ONE)
    assert site.put(ONE).outcome is Outcome.DUPLICATE  # while it awaits indexing
    site.found()
    assert site.put(ONE).outcome is Outcome.DUPLICATE  # when the index knows it
    assert len(site.files()) == 1
    assert site.quarantine.count() == 0


def test_another_data_set_under_a_known_uid_goes_to_quarantine_and_the_first_is_kept(site: Site) -> None:
    site.put(ONE)
    for other in (replace(ONE, pixels=b"\3\0\4\0"), replace(ONE, study="1.2.9", series="1.2.9.1")):
        assert site.put(other).outcome is Outcome.CONFLICT
        site.found()
    assert site.data_set(ONE.sop_instance_uid) == ONE.data_set
    assert len(site.files()) == 1
    first, second = map(site.quarantine.note, site.quarantine.identifiers())
    assert (first.reason, first.sop_instance_uid) == ("conflict", ONE.sop_instance_uid)
    assert (second.calling_ae_title, second.address) == (CALLER.calling_ae_title, CALLER.address)
    with site.quarantine.open(next(site.quarantine.identifiers())) as file:
        assert pydicom.dcmread(file).PixelData == b"\3\0\4\0"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN),
        (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN),
        (EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.4.70"),
    ],
)
def test_the_same_instance_in_another_transfer_syntax_is_a_duplicate(
    site: Site, first: str, second: str
) -> None:
    site.put(replace(ONE, transfer_syntax_uid=first))
    assert site.put(replace(ONE, transfer_syntax_uid=second)).outcome is Outcome.DUPLICATE


def test_other_pixels_in_another_native_transfer_syntax_are_a_conflict(site: Site) -> None:
    site.put(ONE)
    other = replace(ONE, transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN, pixels=b"\3\0\4\0")
    assert site.put(other).outcome is Outcome.CONFLICT


def test_other_attributes_in_another_transfer_syntax_are_a_conflict(site: Site) -> None:
    site.put(ONE)
    other = replace(ONE, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN, name="ROE^RICHARD")
    assert site.put(other).outcome is Outcome.CONFLICT


def test_of_one_instance_sent_over_many_associations_one_is_stored(site: Site) -> None:
    site.indexer.start()
    barrier = Barrier(8, timeout=20)
    outcomes: list[Outcome] = []

    def send(number: int) -> None:
        # Two data sets under one UID, the second kind in another study: no path is the same.
        study = "1.2.7" if number % 2 else ONE.study
        instance = replace(ONE, study=study)
        for _ in range(5):
            barrier.wait()
            outcomes.append(site.put(instance).outcome)

    threads = [Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Outcome.STORED) == 1
    assert outcomes.count(Outcome.DUPLICATE) == 19
    assert outcomes.count(Outcome.CONFLICT) == 20
    assert len(site.files()) == 1
    assert site.found() == {ONE.sop_instance_uid}


@pytest.mark.parametrize(
    "announced",
    [
        {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4", "sop_instance_uid": ONE.sop_instance_uid},
        {"sop_class_uid": CT_IMAGE_STORAGE, "sop_instance_uid": "1.2.3"},
    ],
)
def test_a_data_set_that_is_not_the_one_announced_is_refused(site: Site, announced: dict[str, str]) -> None:
    incoming = site.store.begin(**announced, transfer_syntax_uid=ONE.transfer_syntax_uid, caller=CALLER)
    incoming.write(ONE.data_set)
    with pytest.raises(DataSetMismatch):
        incoming.commit()
    assert site.files() == []
    assert site.found() == set()
    assert [site.quarantine.note(one).reason for one in site.quarantine.identifiers()] == ["mismatch"]


@pytest.mark.parametrize(
    "instance",
    [
        replace(ONE, study="1..2"),
        replace(ONE, series="../x"),
    ],
)
def test_an_instance_whose_study_or_series_uid_is_none_is_refused(site: Site, instance: Instance) -> None:
    with pytest.raises(UnreadableDataSet):
        site.put(instance)
    assert site.files() == []
    assert site.quarantine.count() == 1


@pytest.mark.parametrize("instance", [replace(ONE, study=""), replace(ONE, series="")])
def test_an_instance_without_a_study_or_series_gets_a_place_of_its_own(
    site: Site, instance: Instance
) -> None:
    assert site.put(instance).outcome is Outcome.STORED
    assert site.put(instance).outcome is Outcome.DUPLICATE
    assert site.found() == {instance.sop_instance_uid}
    assert site.data_set(instance.sop_instance_uid) == instance.data_set


@pytest.mark.parametrize("data", [b"", b"no data set", bytes(100), b"\xff" * 1000, b"\x08\0\x05\0CS\xff\x00"])
def test_bytes_that_make_no_sense_go_to_quarantine(site: Site, data: bytes) -> None:
    incoming = site.begin(ONE)
    incoming.write(data)
    with pytest.raises((UnreadableDataSet, DataSetMismatch)):
        incoming.commit()
    assert site.files() == []
    assert site.quarantine.count() == 1


@pytest.mark.parametrize("uid", ["", "..", "1/2", "a", "1" * 65])
def test_a_uid_that_is_none_is_refused_before_anything_is_written(site: Site, uid: str) -> None:
    with pytest.raises(InvalidUID):
        site.begin(replace(ONE, sop_instance_uid=uid))
    assert site.files() == []


def test_what_the_sender_breaks_off_leaves_nothing(site: Site) -> None:
    incoming = site.begin(ONE)
    incoming.write(ONE.data_set)
    incoming.abort()
    assert site.files() == []
    assert site.segments() == []


def test_a_header_longer_than_what_is_kept_in_memory_is_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pacs.archive.store.PREFIX_BYTES", 64)
    site.put(ONE, 10)
    assert site.found() == {ONE.sop_instance_uid}
    (image,) = site.images()
    assert image.header.text(0x00100010) == ONE.name


def test_a_disk_that_is_full_when_the_journal_is_written_leaves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutOfResources("full")

    monkeypatch.setattr(site.journal, "commit", full)
    with pytest.raises(OutOfResources):
        site.put(ONE)
    assert site.files() == []
    monkeypatch.undo()
    assert site.put(ONE).outcome is Outcome.STORED
    assert site.found() == {ONE.sop_instance_uid}


def test_under_the_reserve_an_instance_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, reserve=shutil.disk_usage(tmp_path).total * 2)
    with pytest.raises(OutOfResources):
        site.put(ONE)
    assert site.files() == []
    assert site.segments() == []
    site.close()


def test_an_instance_whose_object_was_lost_can_be_stored_again(site: Site) -> None:
    site.put(ONE)
    site.found()
    site.files()[0].unlink()
    assert site.put(ONE).outcome is Outcome.STORED
    site.found()
    assert site.data_set(ONE.sop_instance_uid) == ONE.data_set


def test_an_object_that_the_index_lost_is_indexed_when_it_is_sent_again(tmp_path: Path) -> None:
    first = Site(tmp_path)
    first.put(ONE)
    first.found()
    first.close()
    second = Site(tmp_path)  # with an empty index
    assert second.found() == set()
    assert second.put(ONE).outcome is Outcome.DUPLICATE
    assert second.found() == {ONE.sop_instance_uid}
    second.close()


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_every_sample_file_that_names_its_place_is_kept_byte_for_byte(site: Site) -> None:
    sent: dict[str, bytes] = {}
    refused = 0
    for path in sample_paths():
        try:
            parts = take_apart(path)
            incoming = site.store.begin(
                sop_class_uid=parts.sop_class_uid,
                sop_instance_uid=parts.sop_instance_uid,
                transfer_syntax_uid=parts.transfer_syntax_uid,
                caller=CALLER,
            )
            incoming.write(parts.data_set)
            stored = incoming.commit()
        except (InvalidInput, InvalidDicomError):
            refused += 1
            continue
        if stored.outcome is Outcome.STORED:
            sent[stored.sop_instance_uid] = parts.data_set
    assert site.found() == set(sent)
    assert len(sent) > 100
    for uid, data in sent.items():
        assert site.data_set(uid) == data

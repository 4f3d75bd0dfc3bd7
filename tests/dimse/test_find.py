"""C-FIND over the wire: answers, character sets, extended negotiation, C-CANCEL, failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from benchmarks.wire import Association, encode_identifier
from pacs.archive.find import Find
from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dimse.find_scp import FindSCP
from pacs.errors import IndexUnavailable
from pacs.query.tree import Query
from tests.dimse.serving import STUDY_ROOT_FIND, Serving, eventually, requestor, serving, slice_of, store


def identifier(level: str = "STUDY", **keys: str) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


def find(pacs: Serving, keys: Dataset, syntax: str = ExplicitVRLittleEndian) -> tuple[list[Dataset], Dataset]:
    """The answers and the final response."""
    assoc = requestor(pacs, (STUDY_ROOT_FIND, [syntax]))
    assert assoc.is_established
    *pending, final = list(assoc.send_c_find(keys, STUDY_ROOT_FIND))
    assoc.release()
    assert all(status.Status == 0xFF00 for status, _ in pending)
    return [answer for _, answer in pending if answer is not None], final[0]


class EndlessFind(Find):
    """Answers until somebody stops asking."""

    def __init__(self) -> None:
        self.given = 0

    def answers(self, query: Query) -> Iterator[Header]:
        while True:
            self.given += 1
            yield Header({tags.STUDY_INSTANCE_UID: f"1.2.{self.given}"})


class BrokenFind(Find):
    """Fails after some answers."""

    def __init__(self) -> None:
        pass

    def answers(self, query: Query) -> Iterator[Header]:
        yield Header({tags.STUDY_INSTANCE_UID: "1.2"})
        raise IndexUnavailable("the index cannot be read; run `pacs verify`")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_each_study_is_answered_once_in_every_syntax(pacs: Serving, syntax: str) -> None:
    study = generate_uid()
    store(pacs, slice_of(study), slice_of(study), slice_of(name="Roe^Richard"))
    answers, final = find(
        pacs, identifier(PatientName="doe*", StudyInstanceUID="", NumberOfStudyRelatedInstances=""), syntax
    )
    (answer,) = answers
    assert final.Status == 0
    assert answer.StudyInstanceUID == study
    assert answer.NumberOfStudyRelatedInstances == 2
    assert answer.PatientName == "Doe^Jane"
    assert answer.RetrieveAETitle == "PACS"
    assert pacs.recorder.wait_for_operation("C-FIND").count == 1


def test_uids_in_answers_are_padded_with_null(pacs: Serving) -> None:
    store(pacs, slice_of("1.2.3", name="Doe"))
    asked = {tags.QUERY_RETRIEVE_LEVEL: "STUDY", tags.STUDY_INSTANCE_UID: "1.2.3", tags.PATIENT_NAME: ""}
    with Association(*pacs.server.address, [(STUDY_ROOT_FIND, [str(ImplicitVRLittleEndian)])]) as assoc:
        (_, answer), _ = assoc.query(STUDY_ROOT_FIND, encode_identifier(asked))
    # PS3.5 section 9.1 for UIDs, section 6.2 for other text.
    assert answer.endswith(b"\x20\x00\x0d\x00\x06\x00\x00\x001.2.3\x00")
    assert b"\x10\x00\x10\x00\x04\x00\x00\x00Doe " in answer


def test_an_answer_is_in_a_character_set_that_holds_it(pacs: Serving) -> None:
    ds = slice_of()
    ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    ds.PatientName = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    store(pacs, ds)
    keys = identifier(StudyInstanceUID="", PatientName="*山田*")
    keys.SpecificCharacterSet = "ISO_IR 192"
    (answer,), _ = find(pacs, keys)
    answer.decode()
    assert answer.SpecificCharacterSet == "ISO_IR 192"
    assert answer.PatientName == ds.PatientName


def test_fuzzy_matching_is_on_only_where_it_was_negotiated(pacs: Serving) -> None:
    store(pacs, slice_of(name="Müller^Anna".replace("ü", "u")))
    keys = identifier(StudyInstanceUID="", PatientName="Anna Muller")
    assert find(pacs, keys)[0] == []
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = STUDY_ROOT_FIND
    extended.service_class_application_information = b"\0\0\1"
    assoc = requestor(pacs, (STUDY_ROOT_FIND, [ExplicitVRLittleEndian]), ext_neg=[extended])
    *answers, _ = list(assoc.send_c_find(keys, STUDY_ROOT_FIND))
    assoc.release()
    assert len(answers) == 1


def test_an_identifier_without_a_level_is_a900_in_words(pacs: Serving) -> None:
    keys = Dataset()
    keys.PatientID = "1"
    answers, final = find(pacs, keys)
    assert not answers
    assert final.Status == 0xA900
    assert final.ErrorComment
    assert pacs.recorder.wait_for_operation("C-FIND").detail


def test_an_index_that_fails_half_way_ends_in_words(tmp_path: Path) -> None:
    with serving(tmp_path) as pacs:
        _serve_with(pacs, BrokenFind())
        answers, final = find(pacs, identifier(StudyInstanceUID=""))
        assert [answer.StudyInstanceUID for answer in answers] == ["1.2"]
        assert final.Status == 0xC002
        assert "index" in final.ErrorComment


def test_cancel_ends_an_endless_query(tmp_path: Path) -> None:
    with serving(tmp_path) as pacs:
        endless = EndlessFind()
        _serve_with(pacs, endless)
        assoc = requestor(pacs, (STUDY_ROOT_FIND, [ExplicitVRLittleEndian]))
        context_id = assoc.accepted_contexts[0].context_id
        responses = assoc.send_c_find(identifier(StudyInstanceUID=""), STUDY_ROOT_FIND, msg_id=7)
        statuses = []
        for number, (status, _) in enumerate(responses):
            if number == 3:
                assoc.send_c_cancel(7, context_id)
            statuses.append(status.Status)
        assert statuses[-1] == 0xFE00
        assert set(statuses[:-1]) == {0xFF00}
        assert pacs.recorder.wait_for_operation("C-FIND").status == 0xFE00
        assoc.release()


def test_a_requestor_that_goes_away_ends_an_endless_query(tmp_path: Path) -> None:
    with serving(tmp_path) as pacs:
        endless = EndlessFind()
        _serve_with(pacs, endless)
        assoc = requestor(pacs, (STUDY_ROOT_FIND, [ExplicitVRLittleEndian]))
        responses = assoc.send_c_find(identifier(StudyInstanceUID=""), STUDY_ROOT_FIND)
        next(iter(responses))
        assoc.abort()
        pacs.wait_idle()
        given = endless.given
        time.sleep(0.05)
        assert endless.given == given


def test_many_answers_arrive_whole_and_in_order(tmp_path: Path) -> None:
    class ManyFind(Find):
        def __init__(self) -> None:
            pass

        def answers(self, query: Query) -> Iterator[Header]:
            for number in range(3000):
                yield Header({tags.STUDY_INSTANCE_UID: f"1.2.{number}", tags.PATIENT_ID: "x" * (number % 64)})

    with serving(tmp_path) as pacs:
        _serve_with(pacs, ManyFind())
        answers, final = find(pacs, identifier(StudyInstanceUID=""))
        assert final.Status == 0
        assert [str(answer.StudyInstanceUID) for answer in answers] == [f"1.2.{n}" for n in range(3000)]


def test_answers_do_not_wait_for_those_that_come_late(tmp_path: Path) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    class SlowFind(Find):
        def __init__(self) -> None:
            pass

        def answers(self, query: Query) -> Iterator[Header]:
            for number in range(3):
                yield Header({tags.STUDY_INSTANCE_UID: f"1.2.{number}"})
                time.sleep(0.02)
            assert go_on.wait(10)

    with serving(tmp_path) as pacs:
        _serve_with(pacs, SlowFind())
        assoc = requestor(pacs, (STUDY_ROOT_FIND, [ExplicitVRLittleEndian]))
        responses = iter(assoc.send_c_find(identifier(StudyInstanceUID=""), STUDY_ROOT_FIND))
        assert next(responses)[0].Status == 0xFF00
        arrived.set()
        go_on.set()
        assert [status.Status for status, _ in responses][-1] == 0
        assoc.release()
        eventually(lambda: pacs.server.active == 0)


def _serve_with(pacs: Serving, find: Find) -> None:
    """Let another ``find`` stand behind the running server."""
    from pacs.dimse.message import CommandField

    services = pacs.server._reception._acceptor._services
    assert isinstance(services, dict)
    services[CommandField.C_FIND_RQ] = FindSCP(find, pacs.recorder)

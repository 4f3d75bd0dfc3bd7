"""C-MOVE and C-GET: pending responses with counts, cancel, and the statuses of PS3.4 C.4.2 and C.4.3."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Plan
from benchmarks.wire import (
    C_GET,
    C_MOVE,
    C_STORE,
    EXPLICIT,
    IMPLICIT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Command,
    answer_store,
    decode_identifier,
    encode_identifier,
)
from tests import dcmtk
from tests.appliance import Appliance, free_port
from tests.dcmtk import Sink
from tests.part_ten import take_apart
from tests.samples import sample

SMALL, CT = synthetic.small(), synthetic.ct()
PLANS = [Plan(0, 0, number, "retrieve") for number in range(12)]
FAILED_SOP_INSTANCE_UID_LIST = 0x00080058
SUCCESS, CANCELLED, PENDING = 0x0000, 0xFE00, 0xFF00
UNKNOWN_DESTINATION, SOME_FAILED, NONE_DONE = 0xA801, 0xB000, 0xA702

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


@pytest.fixture
def filled(server: Appliance) -> Appliance:
    """A server with one study of twelve small objects and one CT slice."""
    _store(server, SMALL, PLANS)
    _store(server, CT, [Plan(0, 1, 0, "retrieve")])
    return server


def _store(appliance: Appliance, template: synthetic.Template, plans: list[Plan]) -> None:
    with appliance.association([(template.sop_class_uid, [EXPLICIT])]) as assoc:
        for plan in plans:
            data = template.data_set(plan)
            response = assoc.store(template.sop_class_uid, plan.sop_instance_uid, EXPLICIT, data)
            assert response["Status"] == SUCCESS


def _identifier(level: str = "STUDY", **keys: str) -> bytes:
    tags = {"series": 0x0020000E, "instance": 0x00080018}
    study = PLANS[0].study_instance_uid
    more = {tags[name]: value for name, value in keys.items()}
    return encode_identifier({0x00080052: level, 0x0020000D: study, **more})


def _move(appliance: Appliance, destination: str, identifier: bytes) -> list[tuple[Command, bytes]]:
    with appliance.association([(STUDY_ROOT_MOVE, [IMPLICIT])]) as assoc:
        return list(assoc.query(STUDY_ROOT_MOVE, identifier, field=C_MOVE, destination=destination))


def _know(appliance: Appliance, sink: Sink) -> None:
    appliance.pacs("peer", "add", sink.ae_title, "127.0.0.1", str(sink.port))


def test_a_move_reports_its_progress_and_ends_with_all_counts(filled: Appliance, sink: Sink) -> None:
    _know(filled, sink)
    responses = [command for command, _ in _move(filled, sink.ae_title, _identifier())]
    *pending, final = responses
    assert {command["Status"] for command in pending} == {PENDING}
    done = [int(command["NumberOfCompletedSuboperations"]) for command in pending]
    assert done == sorted(done)
    for command in pending:
        assert (
            int(command["NumberOfRemainingSuboperations"]) + int(command["NumberOfCompletedSuboperations"])
            == 13
        )
    assert final["Status"] == SUCCESS
    assert final["NumberOfCompletedSuboperations"] == 13
    assert final["NumberOfFailedSuboperations"] == 0
    assert len(sink.files()) == 13


def test_an_unknown_destination_is_a801(filled: Appliance) -> None:
    ((command, _),) = _move(filled, "NOBODY", _identifier())
    assert command["Status"] == UNKNOWN_DESTINATION


def test_a_peer_added_while_the_server_runs_is_known_at_once_and_forgotten_when_removed(
    filled: Appliance, sink: Sink
) -> None:
    assert _move(filled, sink.ae_title, _identifier())[-1][0]["Status"] == UNKNOWN_DESTINATION
    _know(filled, sink)
    assert _move(filled, sink.ae_title, _identifier())[-1][0]["Status"] == SUCCESS
    filled.pacs("peer", "remove", sink.ae_title)
    assert _move(filled, sink.ae_title, _identifier())[-1][0]["Status"] == UNKNOWN_DESTINATION


def test_a_destination_that_nobody_answers_at_is_a702(filled: Appliance) -> None:
    filled.pacs("peer", "add", "ABSENT", "127.0.0.1", str(free_port()))
    command, data = _move(filled, "ABSENT", _identifier())[-1]
    assert command["Status"] == NONE_DONE
    assert command["NumberOfFailedSuboperations"] == 13
    failed = decode_identifier(data)[FAILED_SOP_INSTANCE_UID_LIST].decode().split("\\")
    assert len(failed) == 13


def test_what_the_destination_does_not_accept_is_listed_as_failed(filled: Appliance, tmp_path: Path) -> None:
    profile = tmp_path / "ct_only.cfg"
    profile.write_text(
        "[[TransferSyntaxes]]\n[Any]\nTransferSyntax1 = LocalEndianExplicit\n"
        "TransferSyntax2 = LittleEndianImplicit\n"
        "[[PresentationContexts]]\n[Only]\nPresentationContext1 = CTImageStorage\\Any\n"
        "PresentationContext2 = VerificationSOPClass\\Any\n"
        "[[Profiles]]\n[CT]\nPresentationContexts = Only\n"
    )
    with dcmtk.storescp(tmp_path / "ct", "-xf", str(profile), "CT") as sink:
        _know(filled, sink)
        command, data = _move(filled, sink.ae_title, _identifier())[-1]
        assert command["Status"] == SOME_FAILED
        assert command["NumberOfCompletedSuboperations"] == 1
        assert command["NumberOfFailedSuboperations"] == 12
        failed = decode_identifier(data)[FAILED_SOP_INSTANCE_UID_LIST].decode().split("\\")
        assert sorted(failed) == sorted(plan.sop_instance_uid for plan in PLANS)
        assert len(sink.files()) == 1


def test_one_series_and_one_instance_can_be_moved(filled: Appliance, sink: Sink) -> None:
    _know(filled, sink)
    series, one = PLANS[0].series_instance_uid, PLANS[3].sop_instance_uid
    assert (
        _move(filled, sink.ae_title, _identifier("IMAGE", series=series, instance=one))[-1][0]["Status"] == 0
    )
    assert [take_apart(path).sop_instance_uid for path in sink.files()] == [one]
    assert _move(filled, sink.ae_title, _identifier("SERIES", series=series))[-1][0]["Status"] == 0
    assert len(sink.files()) == 12


def test_nothing_found_is_success_with_no_sub_operation(filled: Appliance, sink: Sink) -> None:
    _know(filled, sink)
    identifier = encode_identifier({0x00080052: "STUDY", 0x0020000D: "1.2.3.4"})
    ((command, _),) = _move(filled, sink.ae_title, identifier)
    assert command["Status"] == SUCCESS
    assert command.get("NumberOfCompletedSuboperations", 0) == 0


def test_a_move_can_be_cancelled(filled: Appliance, tmp_path: Path) -> None:
    with dcmtk.storescp(tmp_path / "slow", "--sleep-after", "1") as sink:
        _know(filled, sink)
        with filled.association([(STUDY_ROOT_MOVE, [IMPLICIT])]) as assoc:
            responses = assoc.query(STUDY_ROOT_MOVE, _identifier(), field=C_MOVE, destination=sink.ae_title)
            assert next(responses)[0]["Status"] == PENDING
            assoc.cancel()
            *_, (final, _) = responses
        assert final["Status"] == CANCELLED
        assert int(final["NumberOfRemainingSuboperations"]) > 0


def test_a_get_can_be_cancelled(filled: Appliance) -> None:
    contexts = [
        (STUDY_ROOT_GET, [IMPLICIT]),
        (SMALL.sop_class_uid, [EXPLICIT]),
        (CT.sop_class_uid, [EXPLICIT]),
    ]
    with filled.association(contexts, roles=[SMALL.sop_class_uid, CT.sop_class_uid]) as assoc:
        received = 0
        for message, _ in assoc.query(STUDY_ROOT_GET, _identifier(), field=C_GET):
            if message["CommandField"] == C_STORE:
                received += 1
                if received == 2:
                    assoc.cancel(1)
                answer_store(assoc, message)
        assert message["Status"] == CANCELLED
        assert received < 13


def test_a_find_can_be_cancelled(server: Appliance) -> None:
    _store(server, SMALL, [Plan(number, 0, 0, "many") for number in range(600)])
    with server.association([(STUDY_ROOT_FIND, [IMPLICIT])], max_pdu=4096) as assoc:
        identifier = encode_identifier(
            {0x00080052: "STUDY", 0x0020000D: "", 0x00100010: "", 0x00081030: "", 0x00080061: ""}
        )
        responses = assoc.query(STUDY_ROOT_FIND, identifier)
        assert next(responses)[0]["Status"] == PENDING
        assoc.cancel()
        *_, (final, _) = responses
        # The answers may all have been under way when the cancel came.
        assert final["Status"] in (CANCELLED, SUCCESS)
        again = list(assoc.query(STUDY_ROOT_FIND, identifier))
        assert (len(again), again[-1][0]["Status"]) == (601, SUCCESS)


def test_what_the_destination_cannot_take_as_stored_arrives_decompressed(
    server: Appliance, tmp_path: Path
) -> None:
    names = ["JPEG-LL.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_rle.dcm"]
    sent = {}
    for name in names:
        parts = take_apart(sample(name))
        # Three of them are the same image under one UID: one at a time, then.
        if parts.sop_instance_uid in sent:
            continue
        sent[parts.sop_instance_uid] = sample(name)
        with server.association([(parts.sop_class_uid, [parts.transfer_syntax_uid])]) as assoc:
            response = assoc.store(
                parts.sop_class_uid, parts.sop_instance_uid, parts.transfer_syntax_uid, parts.data_set
            )
            assert response["Status"] == SUCCESS
    with dcmtk.storescp(tmp_path / "plain", "+xe") as sink:
        _know(server, sink)
        for path in sent.values():
            dcmtk.move(
                server,
                {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": take_apart(path).study_instance_uid},
                destination=sink.ae_title,
            )
        assert len(sink.files()) == len(sent)
        for path in sink.files():
            copy = pydicom.dcmread(path)
            assert copy.file_meta.TransferSyntaxUID in (EXPLICIT, IMPLICIT)
            original = pydicom.dcmread(sent[str(copy.SOPInstanceUID)])
            assert (copy.pixel_array == original.pixel_array).all()


def _private_class(number: int) -> str:
    return f"1.2.826.0.1.3680043.9.9999.8.{1000 + number}"


def test_more_sop_classes_than_an_association_can_name_are_moved(server: Appliance, tmp_path: Path) -> None:
    count = 150
    plans = [Plan(0, 0, number, "classes") for number in range(count)]
    old = _class_element(SMALL.sop_class_uid)
    for batch in (range(100), range(100, count)):
        with server.association([(_private_class(number), [EXPLICIT]) for number in batch]) as assoc:
            for number in batch:
                data = SMALL.data_set(plans[number]).replace(old, _class_element(_private_class(number)))
                response = assoc.store(_private_class(number), plans[number].sop_instance_uid, EXPLICIT, data)
                assert response["Status"] == SUCCESS
    with dcmtk.storescp(tmp_path / "any", "--promiscuous") as sink:
        _know(server, sink)
        identifier = encode_identifier({0x00080052: "STUDY", 0x0020000D: plans[0].study_instance_uid})
        final = _move(server, sink.ae_title, identifier)[-1][0]
        assert final["Status"] == SUCCESS
        assert final["NumberOfCompletedSuboperations"] == count
        assert len(sink.files()) == count


def _class_element(uid: str) -> bytes:
    padded = uid.encode().ljust(len(uid) + len(uid) % 2, b"\0")
    return b"\x08\x00\x16\x00UI" + len(padded).to_bytes(2, "little") + padded

"""C-MOVE and C-GET over the wire: sub-operations, counts, C-CANCEL, destinations that fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    generate_uid,
)
from pynetdicom import AE, StoragePresentationContexts, build_role, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class
from pynetdicom.transport import ThreadedAssociationServer

from pacs.archive.observer import Caller
from pacs.archive.part_ten_import import PartTenImport
from pacs.dimse.move_scp import MAX_LOSSES
from pacs.dimse.store_scu import propose
from pacs.dimse.sub_operation import encode_failed_list
from pacs.peers.peer import Peer
from tests.dimse.serving import (
    CT,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Serving,
    eventually,
    requestor,
    slice_of,
    store,
)
from tests.samples import sample

NATIVE = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]


class Destination:
    """pynetdicom as a move destination that answers as it is told."""

    def __init__(self, statuses: Sequence[int] = ()) -> None:
        self.statuses = list(statuses)
        self.received: list[Dataset] = []
        self.syntaxes: list[str] = []
        self.originators: list[tuple[object, object]] = []
        self.associations = 0

    def handle_store(self, event: Event) -> int:
        """C-STORE."""
        self.received.append(event.dataset)
        self.syntaxes.append(str(event.context.transfer_syntax))
        request = event.request
        assert isinstance(request, C_STORE)
        self.originators.append(
            (request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID)
        )
        return self.statuses.pop(0) if self.statuses else 0

    def handle_accepted(self, event: Event) -> None:
        """An association."""
        self.associations += 1


@contextmanager
def dest(
    pacs: Serving,
    *contexts: tuple[str, Sequence[str]],
    statuses: Sequence[int] = (),
    abort_at: int = 0,
    abort_always: bool = False,
) -> Iterator[Destination]:
    """The peer DEST, accepting ``contexts``."""
    destination = Destination(statuses)

    def handle_store(event: Event) -> int:
        status = destination.handle_store(event)
        if abort_always or len(destination.received) == abort_at:
            event.assoc.abort()
        return status

    ae = AE("DEST")
    for abstract_syntax, syntaxes in contexts:
        ae.add_supported_context(abstract_syntax, list(syntaxes))
    ae.maximum_associations = 10
    server = ae.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, handle_store), (evt.EVT_ACCEPTED, destination.handle_accepted)],
    )
    pacs.peers.add(Peer("DEST", "127.0.0.1", _port(server)))
    try:
        yield destination
    finally:
        ae.shutdown()


def _port(server: ThreadedAssociationServer | None) -> int:
    assert server is not None
    assert server.socket is not None
    return int(server.socket.getsockname()[1])


def keys(*studies: str) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.StudyInstanceUID = list(studies)
    return ds


def move(pacs: Serving, *studies: str, to: str = "DEST") -> list[tuple[Dataset, Dataset | None]]:
    """All responses to a C-MOVE."""
    assoc = requestor(pacs, (STUDY_ROOT_MOVE, [ExplicitVRLittleEndian]))
    assert assoc.is_established
    responses = list(assoc.send_c_move(keys(*studies), to, STUDY_ROOT_MOVE, msg_id=77))
    assoc.release()
    return responses


def counts(response: Dataset) -> tuple[int, int, int]:
    """Completed, failed, warning."""
    return (
        response.NumberOfCompletedSuboperations,
        response.NumberOfFailedSuboperations,
        response.NumberOfWarningSuboperations,
    )


def stored_study(pacs: Serving, count: int) -> str:
    study = generate_uid()
    store(pacs, *(slice_of(study) for _ in range(count)))
    return study


def test_pending_responses_count_and_the_last_says_success(pacs: Serving) -> None:
    study = stored_study(pacs, 5)
    with dest(pacs, (CT, NATIVE)) as destination:
        *pending, (final, _) = move(pacs, study)
    assert final.Status == 0
    assert counts(final) == (5, 0, 0)
    assert "NumberOfRemainingSuboperations" not in final
    assert pending
    for response, _ in pending:
        assert response.Status == 0xFF00
        assert response.NumberOfRemainingSuboperations + response.NumberOfCompletedSuboperations == 5
    assert destination.originators == [("TESTER", 77)] * 5
    assert destination.associations == 1


def test_nothing_found_is_success_without_an_association(pacs: Serving) -> None:
    with dest(pacs, (CT, NATIVE)) as destination:
        ((final, _),) = move(pacs, "1.2.3")
    assert final.Status == 0
    assert counts(final) == (0, 0, 0)
    assert destination.associations == 0


def test_failed_instances_are_listed_with_b000(pacs: Serving) -> None:
    study = stored_study(pacs, 4)
    with dest(pacs, (CT, NATIVE), statuses=[0, 0xA700, 0xB000, 0]) as destination:
        final, failed = move(pacs, study)[-1]
    assert final.Status == 0xB000
    assert counts(final) == (2, 1, 1)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == destination.received[1].SOPInstanceUID
    operation = pacs.recorder.wait_for_operation("C-MOVE")
    assert (operation.status, operation.count, operation.failed) == (0xB000, 3, 1)
    assert "A700" in operation.detail


def test_where_no_sub_operation_could_be_done_the_status_is_a702(pacs: Serving) -> None:
    study = stored_study(pacs, 2)
    with dest(pacs, (CT, NATIVE), statuses=[0xC000, 0xC000]):
        final, failed = move(pacs, study)[-1]
    assert final.Status == 0xA702
    assert counts(final) == (0, 2, 0)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 2


def test_a_destination_that_cannot_be_reached_is_a702_in_words(pacs: Serving) -> None:
    study = stored_study(pacs, 2)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        pacs.peers.add(Peer("DEST", "127.0.0.1", unused.getsockname()[1]))
        final, _ = move(pacs, study)[-1]
    assert final.Status == 0xA702
    assert counts(final) == (0, 2, 0)
    assert "DEST" in final.ErrorComment


def test_a_destination_that_takes_none_of_the_classes_is_a702(pacs: Serving) -> None:
    study = stored_study(pacs, 1)
    with dest(pacs, ("1.2.840.10008.5.1.4.1.1.4", NATIVE)):
        assert move(pacs, study)[-1][0].Status == 0xA702


def test_a_peer_added_while_the_server_runs_is_known_at_once(pacs: Serving) -> None:
    study = stored_study(pacs, 1)
    assert move(pacs, study)[-1][0].Status == 0xA801
    with dest(pacs, (CT, NATIVE)):
        assert move(pacs, study)[-1][0].Status == 0


def test_an_identifier_without_a_unique_key_is_a900(pacs: Serving) -> None:
    with dest(pacs, (CT, NATIVE)):
        assoc = requestor(pacs, (STUDY_ROOT_MOVE, [ExplicitVRLittleEndian]))
        ds = Dataset()
        ds.QueryRetrieveLevel = "STUDY"
        ((final, _),) = list(assoc.send_c_move(ds, "DEST", STUDY_ROOT_MOVE))
        assoc.release()
    assert final.Status == 0xA900
    assert final.ErrorComment


def test_an_association_lost_on_the_way_is_opened_again_for_the_rest(pacs: Serving) -> None:
    study = stored_study(pacs, 4)
    with dest(pacs, (CT, NATIVE), abort_at=2) as destination:
        final, failed = move(pacs, study)[-1]
    assert final.Status == 0xB000
    assert counts(final) == (3, 1, 0)
    assert failed is not None
    assert destination.associations == 2


def test_a_destination_that_breaks_off_at_each_instance_is_given_up(pacs: Serving) -> None:
    study = stored_study(pacs, 12)
    with dest(pacs, (CT, NATIVE), abort_always=True) as destination:
        final, _ = move(pacs, study)[-1]
    assert final.Status == 0xA702
    assert counts(final) == (0, 12, 0)
    assert destination.associations == MAX_LOSSES + 1


def test_more_than_128_contexts_are_split_over_associations(pacs: Serving) -> None:
    study = generate_uid()
    known = [str(context.abstract_syntax) for context in StoragePresentationContexts]
    classes = [uid for uid in known if uid_to_service_class(uid) is StorageServiceClass][:70]
    store(pacs, *(slice_of(study, sop_class=sop_class) for sop_class in classes))
    with dest(pacs, *((sop_class, NATIVE) for sop_class in classes)) as destination:
        final, _ = move(pacs, study)[-1]
    assert final.Status == 0, final.ErrorComment
    assert counts(final) == (70, 0, 0)
    assert destination.associations == 2
    assert {ds.SOPClassUID for ds in destination.received} == set(classes)


def test_contexts_keep_the_syntaxes_apart_and_the_classes_together() -> None:
    needs = [(f"1.2.{number % 100}", JPEG2000Lossless) for number in range(200)]
    proposals = propose(needs)
    assert [len(contexts) for contexts in proposals] == [126, 126, 48]
    for contexts in proposals:
        assert [context.context_id for context in contexts] == list(range(1, 2 * len(contexts), 2))
        assert all(len(context.transfer_syntaxes) == 1 for context in contexts)
    by_class = [{context.abstract_syntax for context in contexts} for contexts in proposals]
    assert not by_class[0] & by_class[1]
    assert len(set.union(*by_class)) == 100


def test_cancel_ends_a_move_and_tells_what_remains(pacs: Serving) -> None:
    study = stored_study(pacs, 30)
    reached, go_on = threading.Event(), threading.Event()

    class Waiting(Destination):
        def handle_store(self, event: Event) -> int:
            status = super().handle_store(event)
            if len(self.received) == 3:
                reached.set()
                go_on.wait(10)
            return status

    waiting = Waiting()
    ae = AE("DEST")
    ae.add_supported_context(CT, NATIVE)
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, waiting.handle_store)]
    )
    pacs.peers.add(Peer("DEST", "127.0.0.1", _port(server)))
    try:
        assoc = requestor(pacs, (STUDY_ROOT_MOVE, [ExplicitVRLittleEndian]))
        responses = assoc.send_c_move(keys(study), "DEST", STUDY_ROOT_MOVE, msg_id=5)
        assert reached.wait(10)
        assoc.send_c_cancel(5, assoc.accepted_contexts[0].context_id)
        threading.Timer(0.3, go_on.set).start()
        *_, (final, _) = list(responses)
        assoc.release()
    finally:
        go_on.set()
        ae.shutdown()
    assert final.Status == 0xFE00
    assert final.NumberOfRemainingSuboperations + final.NumberOfCompletedSuboperations == 30
    assert final.NumberOfRemainingSuboperations > 0


def test_a_requestor_that_goes_away_ends_the_move(pacs: Serving) -> None:
    study = stored_study(pacs, 30)
    with dest(pacs, (CT, NATIVE)) as destination:
        assoc = requestor(pacs, (STUDY_ROOT_MOVE, [ExplicitVRLittleEndian]))
        responses = assoc.send_c_move(keys(study), "DEST", STUDY_ROOT_MOVE)
        next(iter(responses))
        assoc.abort()
        eventually(lambda: pacs.server.active == 0)
        assert len(destination.received) < 30


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_native_instance_is_converted_to_what_the_destination_takes(pacs: Serving, syntax: str) -> None:
    path = sample("MR_small_bigendian.dcm")
    original = pydicom.dcmread(path)
    pacs.dcmtk("storescu", "-xb", str(path))
    with dest(pacs, (original.SOPClassUID, [syntax])) as destination:
        assert move(pacs, original.StudyInstanceUID)[-1][0].Status == 0
    (received,) = destination.received
    assert destination.syntaxes == [syntax]
    received.file_meta = FileMetaDataset()
    received.file_meta.TransferSyntaxUID = UID(syntax)
    assert (received.pixel_array == original.pixel_array).all()
    assert received.PatientName == original.PatientName
    assert received.Rows == original.Rows


def test_get_sends_over_the_requestors_association(pacs: Serving) -> None:
    study = stored_study(pacs, 3)
    received: list[Dataset] = []

    def handle_store(event: Event) -> int:
        received.append(event.dataset)
        return 0

    assoc = requestor(
        pacs,
        (STUDY_ROOT_GET, [ExplicitVRLittleEndian]),
        (CT, [ExplicitVRLittleEndian]),
        ext_neg=[build_role(CT, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, handle_store)],
    )
    *pending, (final, _) = list(assoc.send_c_get(keys(study), STUDY_ROOT_GET))
    assoc.release()
    assert final.Status == 0
    assert counts(final) == (3, 0, 0)
    assert pending
    assert len({ds.SOPInstanceUID for ds in received}) == 3


def test_a_deflated_data_set_of_odd_length_is_padded_on_the_wire(pacs: Serving) -> None:
    path = sample("image_dfl.dcm")
    original = pydicom.dcmread(path)
    PartTenImport(pacs.store, Caller()).import_files([path], in_place=False)
    (stored,) = pacs.stored()
    assert stored.stat().st_size % 2 == 1 or path.stat().st_size % 2 == 0
    with dest(pacs, (original.SOPClassUID, [DeflatedExplicitVRLittleEndian])) as destination:
        assert move(pacs, original.StudyInstanceUID)[-1][0].Status == 0
    (received,) = destination.received
    assert received.SOPInstanceUID == original.SOPInstanceUID


def test_get_without_the_scp_role_fails_each_instance(pacs: Serving) -> None:
    study = stored_study(pacs, 2)
    assoc = requestor(pacs, (STUDY_ROOT_GET, [ExplicitVRLittleEndian]), (CT, [ExplicitVRLittleEndian]))
    *_, (final, failed) = list(assoc.send_c_get(keys(study), STUDY_ROOT_GET))
    assoc.release()
    assert final.Status == 0xA702
    assert counts(final) == (0, 2, 0)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 2


def test_an_instance_whose_file_is_gone_fails_alone(pacs: Serving, tmp_path: Path) -> None:
    study = stored_study(pacs, 3)
    pacs.indexer.settle()
    pacs.stored()[1].unlink()
    with dest(pacs, (CT, NATIVE)):
        final, failed = move(pacs, study)[-1]
    assert final.Status == 0xB000
    assert counts(final) == (2, 1, 0)
    assert failed is not None


@pytest.mark.parametrize("count", [1, 2, 1500])
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_failed_list_can_be_read_however_long(count: int, syntax: str) -> None:
    uids = [str(generate_uid()) for _ in range(count)]
    big_endian = syntax == ExplicitVRBigEndian
    data = BytesIO(encode_failed_list(uids, syntax))
    ds = read_dataset(data, syntax == ImplicitVRLittleEndian, not big_endian)
    value = ds[0x00080058].value
    text = value.decode() if isinstance(value, bytes) else "\\".join([value] if count == 1 else value)
    assert text.rstrip("\0").split("\\") == uids

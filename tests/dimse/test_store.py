"""C-STORE over the wire: what is kept, what is refused, and with which status."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from pacs.archive.observer import Caller
from pacs.archive.store import Incoming
from pacs.dicom.status import StoreStatus
from pacs.dimse import message
from pacs.dimse.failure import FIND, RETRIEVE, STORE, status_of
from pacs.dimse.message import Command, CommandField
from pacs.dimse.pdu import fragment_header
from pacs.errors import (
    DataSetMismatch,
    IndexUnavailable,
    InvalidQuery,
    InvalidUID,
    LeaseLost,
    OutOfResources,
    PacsError,
    UnknownPeer,
    UnreadableDataSet,
)
from tests.dimse.serving import CT, Serving, encoded_data_set, requestor, serving, slice_of, store
from tests.dimse.test_server import associate, command_pdu, data_pdu, read_pdu, store_request

MR = "1.2.840.10008.5.1.4.1.1.4"


def answer(pacs: Serving, request: bytes, data: bytes = b"") -> Command:
    """The answer to one C-STORE over an association for CT."""
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(request + (data_pdu(data, is_last=True) if data else b""))
        return message.decode(read_pdu(sock)[12:])


def test_what_was_received_is_kept_byte_for_byte(pacs: Serving) -> None:
    ds = slice_of()
    data = encoded_data_set(ds)
    response = answer(pacs, store_request(ds.SOPInstanceUID), data)
    assert (response.field, response.status, response.message_id) == (0x8001, 0, 1)
    assert (response.sop_class_uid, response.sop_instance_uid) == (CT, ds.SOPInstanceUID)
    (path,) = pacs.stored()
    assert path.read_bytes().endswith(data)


def test_another_data_set_under_a_known_uid_is_a_warning_in_words(pacs: Serving) -> None:
    ds = slice_of()
    store(pacs, ds)
    ds.PatientID = "other"
    assoc = requestor(pacs, (CT, [ExplicitVRLittleEndian]))
    response = assoc.send_c_store(ds)
    assoc.release()
    assert response.Status == 0xB000
    assert response.ErrorComment
    assert len(pacs.stored()) == 1
    assert pacs.recorder.wait_for_operation("C-STORE").count == 1


@pytest.mark.parametrize(
    ("request_of", "data_of", "status"),
    [
        (lambda ds: store_request(generate_uid()), encoded_data_set, 0xA900),
        (lambda ds: store_request("1.2/../../etc"), encoded_data_set, 0x0117),
        (lambda ds: store_request(ds.SOPInstanceUID), lambda ds: b"no data set at all" * 10, 0xC000),
    ],
    ids=["other instance", "no UID", "garbage"],
)
def test_what_cannot_be_kept_is_refused_and_the_association_goes_on(
    pacs: Serving, request_of: object, data_of: object, status: int
) -> None:
    assert callable(request_of)
    assert callable(data_of)
    ds = slice_of()
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(request_of(ds) + data_pdu(data_of(ds), is_last=True))
        response = message.decode(read_pdu(sock)[12:])
        assert response.status == status
        assert response.error_comment
        assert not pacs.stored()
        assert not pacs.unfinished()
        sock.sendall(store_request(ds.SOPInstanceUID) + data_pdu(encoded_data_set(ds), is_last=True))
        assert message.decode(read_pdu(sock)[12:]).status == 0


def test_another_sop_class_than_the_contexts_is_0122(pacs: Serving) -> None:
    request = Command(CommandField.C_STORE_RQ, 1, MR, "1.2.3", has_data_set=True, priority=0)
    assert answer(pacs, command_pdu(request), b"1234").status == 0x0122
    assert pacs.recorder.wait_for_operation("C-STORE").failed == 1


def test_a_request_without_a_data_set_is_c000(pacs: Serving) -> None:
    request = Command(CommandField.C_STORE_RQ, 1, CT, "1.2.3", priority=0)
    assert answer(pacs, command_pdu(request)).status == 0xC000


def test_a_disk_that_fills_up_half_way_is_a700_and_the_association_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as pacs:
        ds = slice_of()
        data = encoded_data_set(ds)
        with pacs.connect() as sock:
            associate(sock, CT)
            with monkeypatch.context() as patch:

                def full(incoming: Incoming, data: object) -> None:
                    raise OutOfResources("The storage is full.")

                patch.setattr(Incoming, "write", full)
                sock.sendall(store_request(ds.SOPInstanceUID))
                for start in range(0, len(data), 10_000):
                    sock.sendall(data_pdu(data[start : start + 10_000], start + 10_000 >= len(data)))
                response = message.decode(read_pdu(sock)[12:])
            assert (response.status, response.error_comment) == (0xA700, "The storage is full.")
            assert not pacs.unfinished()
            sock.sendall(store_request(ds.SOPInstanceUID) + data_pdu(data, is_last=True))
            assert message.decode(read_pdu(sock)[12:]).status == 0


def test_an_error_of_ours_aborts_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path) as pacs, pacs.connect() as sock:
        associate(sock, CT)

        def broken(incoming: Incoming, data: object) -> None:
            raise RuntimeError

        monkeypatch.setattr(Incoming, "write", broken)
        sock.sendall(store_request() + data_pdu(bytes(100), is_last=True))
        assert read_pdu(sock)[:1] == b"\7"
        pacs.wait_idle()
        assert not pacs.unfinished()
        assert "an error of ours" in caplog.text


def test_data_in_many_values_of_one_pdu_is_put_together(pacs: Serving) -> None:
    ds = slice_of()
    data = encoded_data_set(ds)
    values = b"".join(
        fragment_header(1, len(piece), is_command=False, is_last=start + 999 >= len(data))[6:] + piece
        for start in range(0, len(data), 999)
        for piece in [data[start : start + 999]]
    )
    with pacs.connect() as sock:
        associate(sock, CT)
        sock.sendall(store_request(ds.SOPInstanceUID) + b"\4\0" + len(values).to_bytes(4, "big") + values)
        assert message.decode(read_pdu(sock)[12:]).status == 0


def test_the_caller_is_told_to_the_observer(pacs: Serving) -> None:
    store(pacs, slice_of())
    caller = pacs.recorder.wait_for_operation("C-STORE").caller
    assert caller == Caller("TESTER", "PACS", caller.address)
    assert caller.address.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("error", "store_status", "find_status", "retrieve_status"),
    [
        (DataSetMismatch, 0xA900, 0xA900, 0xA900),
        (UnreadableDataSet, 0xC000, 0xC001, 0xC001),
        (InvalidUID, 0x0117, 0xA900, 0xA900),
        (InvalidQuery, 0xC000, 0xA900, 0xA900),
        (OutOfResources, 0xA700, 0xA700, 0xA701),
        (IndexUnavailable, 0xA700, 0xC002, 0xA701),
        (LeaseLost, 0xA700, 0xC000, 0xC000),
        (UnknownPeer, 0xC000, 0xC000, 0xA801),
        (PacsError, 0xC000, 0xC000, 0xC000),
    ],
)
def test_each_failure_has_its_status(
    error: type[PacsError], store_status: int, find_status: int, retrieve_status: int
) -> None:
    assert status_of(error("words"), STORE) == store_status
    assert status_of(error("words"), FIND) == find_status
    assert status_of(error("words"), RETRIEVE) == retrieve_status
    assert isinstance(status_of(error("words"), STORE), StoreStatus)

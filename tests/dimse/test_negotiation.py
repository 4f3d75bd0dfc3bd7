"""What is agreed to in an association, pure and over the wire with pynetdicom as requestor."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
)
from pynetdicom import build_role
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from pacs.dicom.sop_class import is_storage
from pacs.dimse.negotiation import (
    ContextResult,
    Proposal,
    ProposedContext,
    decode_accept,
    decode_request,
    encode_accept,
    encode_request,
    negotiate,
)
from pacs.errors import PeerFailure
from tests.dimse.serving import (
    CT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    VERIFICATION,
    Serving,
    requestor,
    serving,
)

WORKLIST = "1.2.840.10008.5.1.4.31"
COMMITMENT = "1.2.840.10008.1.20.1"
PRIVATE = "1.3.12.2.1107.5.9.1"


def proposal(*contexts: tuple[str, tuple[str, ...]], **options: object) -> Proposal:
    proposed = tuple(
        ProposedContext(2 * number + 1, abstract_syntax, syntaxes)
        for number, (abstract_syntax, syntaxes) in enumerate(contexts)
    )
    return Proposal("CALLER", "PACS", proposed, 16384, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        (CT, True),
        ("1.2.840.10008.5.1.4.1.1.6", True),  # Ultrasound Image Storage (Retired)
        (PRIVATE, True),
        ("1.2.840.10008.5.1.4.1.1.99999", True),
        ("1.2.840.10008.1.3.10", False),  # Media Storage Directory Storage
        (COMMITMENT, False),
        (VERIFICATION, False),
        (STUDY_ROOT_FIND, False),
        (WORKLIST, False),
    ],
)
def test_storage_is_every_storage_class_and_what_nobody_knows(uid: str, expected: bool) -> None:
    assert is_storage(uid) is expected


def test_the_requestors_first_syntax_is_taken_for_storage_even_an_unknown_one() -> None:
    agreement = negotiate(proposal((CT, ("1.2.3.4", ImplicitVRLittleEndian)), (PRIVATE, (JPEG2000Lossless,))))
    assert [context.transfer_syntax for context in agreement.contexts.values()] == [
        "1.2.3.4",
        JPEG2000Lossless,
    ]


def test_identifiers_are_only_taken_in_syntaxes_that_we_encode() -> None:
    agreement = negotiate(
        proposal(
            (STUDY_ROOT_FIND, (JPEGLossless, ExplicitVRBigEndian)),
            (STUDY_ROOT_FIND, (JPEGLossless,)),
            (WORKLIST, (ImplicitVRLittleEndian,)),
        )
    )
    assert [result for _, result, _ in agreement.results] == [
        ContextResult.ACCEPTANCE,
        ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED,
        ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ]
    assert agreement.contexts[1].transfer_syntax == ExplicitVRBigEndian


@pytest.mark.parametrize(
    ("uid", "proposed", "granted", "peer_is_scp"),
    [
        (CT, (False, True), (False, True), True),
        (CT, (True, True), (True, True), True),
        (CT, (True, False), (True, False), False),
        (STUDY_ROOT_GET, (True, True), (True, False), False),
    ],
)
def test_roles_are_granted_for_storage_as_proposed(
    uid: str, proposed: tuple[bool, bool], granted: tuple[bool, bool], peer_is_scp: bool
) -> None:
    agreement = negotiate(proposal((uid, (ImplicitVRLittleEndian,)), roles={uid: proposed}))
    assert agreement.roles == {uid: granted}
    assert agreement.contexts[1].peer_is_scp is peer_is_scp


def test_a_context_without_any_role_left_is_rejected() -> None:
    agreement = negotiate(
        proposal((STUDY_ROOT_FIND, (ImplicitVRLittleEndian,)), roles={STUDY_ROOT_FIND: (False, True)})
    )
    assert agreement.results[0][1] is ContextResult.USER_REJECTION


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (b"\1", b"\1"),
        (b"\0\1", b"\0\1"),
        (b"\1\1\1\1", b"\1\1\1\1"),
        (b"\1\1\1\1\1", b"\1\1\1\1\0"),
        (b"", b""),
    ],
)
def test_extended_negotiation_is_answered_bit_by_bit(asked: bytes, answered: bytes) -> None:
    agreement = negotiate(proposal(extended={STUDY_ROOT_FIND: asked, CT: b"\1"}))
    assert agreement.extended == {STUDY_ROOT_FIND: answered}
    assert agreement.negotiated(STUDY_ROOT_FIND).relational is (asked[:1] == b"\1")
    assert agreement.negotiated(STUDY_ROOT_FIND).combined_datetime is (asked[1:2] == b"\1")


syntaxes = st.lists(
    st.sampled_from([ImplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLossless]), min_size=1, max_size=3
)
uids = st.sampled_from([CT, PRIVATE, VERIFICATION, STUDY_ROOT_FIND, WORKLIST, COMMITMENT])


@given(st.lists(st.tuples(uids, syntaxes.map(tuple)), min_size=1, max_size=20))
def test_what_the_acceptor_agrees_to_is_what_the_requestor_reads(
    contexts: list[tuple[str, tuple[str, ...]]],
) -> None:
    asked = proposal(*contexts)
    request = encode_request(asked.contexts, calling_ae_title="CALLER", called_ae_title="PACS", max_pdu=16384)
    decoded = decode_request(request)
    assert decoded == asked
    agreement = negotiate(decoded)
    answer = decode_accept(encode_accept(decoded, agreement, 65536), asked.contexts)
    assert answer.peer_max_pdu == 65536
    assert {i: c.transfer_syntax for i, c in answer.contexts.items()} == {
        i: c.transfer_syntax for i, c in agreement.contexts.items()
    }


@given(st.binary(max_size=300), st.integers(0, 300), st.binary(max_size=4))
def test_items_that_make_no_sense_are_the_peers_failure(body: bytes, place: int, change: bytes) -> None:
    good = encode_request(
        [ProposedContext(1, CT, (ImplicitVRLittleEndian,))],
        calling_ae_title="A",
        called_ae_title="B",
        max_pdu=16384,
    )
    changed = bytearray(good)
    changed[6 + place : 6 + place + len(change)] = change
    for pdu in (good[:74] + body, bytes(changed), good[: 6 + place]):
        for decode in (decode_request, lambda data: decode_accept(data, [])):
            with contextlib.suppress(PeerFailure):
                assert decode(pdu) is not None


@pytest.mark.parametrize(("announced", "taken"), [(0, 0), (10, 128), (16384, 16384)])
def test_a_nonsense_limit_of_the_peer_is_raised_to_what_can_be_meant(announced: int, taken: int) -> None:
    request = encode_request([], calling_ae_title="A", called_ae_title="B", max_pdu=announced)
    assert decode_request(request).max_pdu == taken


def test_pynetdicom_reads_roles_windows_and_extended_negotiation_of_the_accept() -> None:
    asked = proposal(
        (CT, (ImplicitVRLittleEndian,)),
        roles={CT: (False, True)},
        extended={STUDY_ROOT_FIND: b"\1\1"},
        has_asynchronous_operations=True,
    )
    accept = A_ASSOCIATE_AC()
    accept.decode(encode_accept(asked, negotiate(asked), 131072))
    information = accept.user_information
    assert information is not None
    assert information.maximum_length == 131072
    window = information.async_ops_window
    assert window is not None
    assert (window.max_operations_invoked, window.max_operations_performed) == (1, 1)
    assert [item.app_info for item in information.ext_neg] == [b"\1\1"]
    (role,) = information.role_selection.values()
    assert (role.scu_role, role.scp_role) == (0, 1)


def test_a_request_with_everything_in_it_is_accepted(pacs: Serving) -> None:
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = STUDY_ROOT_FIND
    extended.service_class_application_information = b"\1\0\1"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid = CT
    common.service_class_uid = "1.2.840.10008.4.2"
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    window.maximum_number_operations_performed = 8
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field = b"somebody"
    identity.secondary_field = b"something"
    assoc = requestor(
        pacs,
        (STUDY_ROOT_FIND, [ImplicitVRLittleEndian]),
        (CT, [JPEG2000Lossless, ImplicitVRLittleEndian]),
        ext_neg=[build_role(CT, scp_role=True), extended, common, window, identity],
    )
    assert assoc.is_established
    assert {str(c.abstract_syntax): str(c.transfer_syntax[0]) for c in assoc.accepted_contexts} == {
        STUDY_ROOT_FIND: ImplicitVRLittleEndian,
        CT: JPEG2000Lossless,
    }
    assert assoc.acceptor.sop_class_extended == {STUDY_ROOT_FIND: b"\1\0\1"}
    assert assoc.acceptor.asynchronous_operations == (1, 1)
    assoc.release()


def test_128_contexts_are_answered(pacs: Serving) -> None:
    contexts = [(f"1.2.3.{number}", [ImplicitVRLittleEndian]) for number in range(128)]
    assoc = requestor(pacs, *contexts)
    assert len(assoc.accepted_contexts) == 128
    assoc.release()


def test_another_called_ae_title_is_rejected_where_ours_is_required(tmp_path: Path) -> None:
    with serving(tmp_path, require_called_ae_title=True, ae_title="OTHER") as pacs:
        assoc = requestor(pacs, (VERIFICATION, [ImplicitVRLittleEndian]))
        assert assoc.is_rejected
        answer = assoc.acceptor.primitive
        assert answer is not None
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 7)


def test_a_calling_ae_title_that_is_not_listed_is_rejected(tmp_path: Path) -> None:
    with serving(tmp_path, calling_ae_titles=frozenset({"SOMEBODY"})) as pacs:
        assoc = requestor(pacs, (VERIFICATION, [ImplicitVRLittleEndian]))
        answer = assoc.acceptor.primitive
        assert answer is not None
        assert (answer.result, answer.result_source, answer.diagnostic) == (1, 1, 3)


@pytest.mark.parametrize(
    ("place", "value", "reject"),
    [(6, b"\0\2", b"\1\2\2"), (78, b"9.9", b"\1\1\2")],
    ids=["protocol version", "application context"],
)
def test_what_cannot_be_spoken_is_rejected_for_the_standards_reason(
    pacs: Serving, place: int, value: bytes, reject: bytes
) -> None:
    request = bytearray(
        encode_request(
            [ProposedContext(1, VERIFICATION, (ImplicitVRLittleEndian,))],
            calling_ae_title="A",
            called_ae_title="PACS",
            max_pdu=16384,
        )
    )
    request[place : place + len(value)] = value
    with pacs.connect() as sock:
        sock.sendall(request)
        assert sock.recv(100) == b"\3\0\0\0\0\4\0" + reject
        assert sock.recv(100) == b""


def test_our_request_is_one_that_pynetdicom_reads() -> None:
    request = A_ASSOCIATE_RQ()
    request.decode(
        encode_request(
            [ProposedContext(3, CT, (JPEGLossless, ImplicitVRLittleEndian))],
            calling_ae_title="PACS",
            called_ae_title="DEST",
            max_pdu=16384,
        )
    )
    (context,) = request.presentation_context
    assert (context.context_id, context.abstract_syntax) == (3, CT)
    assert context.transfer_syntax == [JPEGLossless, ImplicitVRLittleEndian]
    assert (request.calling_ae_title, request.called_ae_title) == ("PACS", "DEST")

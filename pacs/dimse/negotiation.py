"""What stands inside A-ASSOCIATE PDUs (PS3.8 section 9.3.2, PS3.7 annex D), and what we agree to.

pynetdicom decodes and encodes the items; the decisions are here. ``negotiate`` and the data are pure.

- Storage: every storage SOP class, known, private or unknown, in the first transfer syntax proposed for it,
  whichever that is: a context keeps the requestor's order, so an SCU that puts the compressed syntax it
  holds first is not made to decompress. Both roles are granted where proposed, as C-GET needs.
- Verification and Query/Retrieve: the first proposed of the syntaxes that we encode ourselves.
- SOP Class Extended Negotiation of Query/Retrieve (PS3.4 sections C.5.1.1, C.5.2.1, C.5.3.1) is answered;
  common extended negotiation needs no answer; user identity is left unanswered; asynchronous operations are
  answered with one of each.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from pydicom import config as pydicom_config
from pynetdicom import _config as pynetdicom_config
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_items import (
    AbstractSyntaxSubItem,
    ApplicationContextItem,
    AsynchronousOperationsWindowSubItem,
    ImplementationClassUIDSubItem,
    ImplementationVersionNameSubItem,
    MaximumLengthSubItem,
    PresentationContextItemAC,
    PresentationContextItemRQ,
    SCP_SCU_RoleSelectionSubItem,
    SOPClassExtendedNegotiationSubItem,
    TransferSyntaxSubItem,
    UserInformationItem,
)

from pacs.dicom.sop_class import VERIFICATION, is_storage
from pacs.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from pacs.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.dimse.message import CommandField
from pacs.dimse.sop_class import QUERY_RETRIEVE
from pacs.errors import PeerFailure
from pacs.query.identifier import Negotiated

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
PROTOCOL_VERSION_1 = 0x0001
MAX_CONTEXTS = 128
"""Presentation context IDs are the odd numbers from 1 to 255."""

OWN_SYNTAXES = (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
"""What we can encode identifiers in."""

_DEFAULT_PEER_MAX_PDU = 16384
_MIN_PEER_MAX_PDU = 128
"""Some peers announce nonsense; nobody can mean less than this."""

_FIND_BITS = b"\x01\x01\x01\x01"
_RETRIEVE_BITS = b"\x01"


class ContextResult(IntEnum):
    """Result/Reason of a presentation context (PS3.8 table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ's result, source and reason (PS3.8 table 9-21), and words for people."""

    result: int
    source: int
    reason: int
    text: str


CALLED_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 7, "called AE title not recognized")
CALLING_AE_TITLE_NOT_RECOGNIZED = Rejection(1, 1, 3, "calling AE title not recognized")
APPLICATION_CONTEXT_NOT_SUPPORTED = Rejection(1, 1, 2, "application context name not supported")
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2, "protocol version not supported")
TEMPORARY_CONGESTION = Rejection(2, 3, 1, "temporary congestion: shutting down")
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2, "local limit exceeded: too many associations")
REJECTIONS = (
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    TEMPORARY_CONGESTION,
    LOCAL_LIMIT_EXCEEDED,
)


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as a requestor proposes it."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """An A-ASSOCIATE-RQ. ``roles`` maps SOP class to the roles (SCU, SCP) that the requestor proposes."""

    calling_ae_title: str
    called_ae_title: str
    contexts: tuple[ProposedContext, ...]
    max_pdu: int
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION_1
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    has_asynchronous_operations: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context; ``peer_is_scp`` where we may send requests on it as well."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str
    peer_is_scp: bool = False


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was negotiated. ``results`` holds (context ID, result, transfer syntax) of every context."""

    contexts: Mapping[int, Context]
    results: tuple[tuple[int, ContextResult, str], ...]
    peer_max_pdu: int
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    has_asynchronous_operations: bool = False

    def negotiated(self, abstract_syntax: str) -> Negotiated:
        """What extended negotiation allows to queries of ``abstract_syntax`` (PS3.4 section C.5.1.1)."""
        bits = self.extended.get(abstract_syntax, b"").ljust(len(_FIND_BITS), b"\0")
        return Negotiated(
            relational=bits[0] == 1,
            combined_datetime=bits[1] == 1,
            fuzzy=bits[2] == 1,
            timezone=bits[3] == 1,
        )


def configure_libraries() -> None:
    """Set the switches of pynetdicom and pydicom that we rely on: once, before the first association.

    Values that are not quite right in what a peer sends are nothing to warn about; pynetdicom's own log
    would tell each of them with a stack trace.
    """
    pynetdicom_config.CODECS = ("ascii", "latin_1")
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE


def decode_request(pdu: bytes) -> Proposal:
    """The proposal in an A-ASSOCIATE-RQ PDU. Raises PeerFailure where its items make no sense."""
    request = A_ASSOCIATE_RQ()
    try:
        request.decode(pdu)
        information = request.user_information
        return Proposal(
            calling_ae_title=request.calling_ae_title.strip(" \0"),
            called_ae_title=request.called_ae_title.strip(" \0"),
            contexts=tuple(
                ProposedContext(
                    context_id=item.presentation_context_id or 0,
                    abstract_syntax=str(item.abstract_syntax or ""),
                    transfer_syntaxes=tuple(str(uid) for uid in item.transfer_syntax if uid),
                )
                for item in request.presentation_context
            ),
            max_pdu=_peer_max_pdu(information),
            application_context=str(request.application_context_name or ""),
            protocol_version=request.protocol_version,
            roles=_roles(information),
            extended={
                str(item.uid): bytes(item.app_info or b"")
                for item in (information.ext_neg if information else ())
            },
            has_asynchronous_operations=information is not None and information.async_ops_window is not None,
        )
    except _DECODING_FAILURES as error:
        raise PeerFailure("an A-ASSOCIATE-RQ cannot be understood") from error


def negotiate(proposal: Proposal) -> Agreement:
    """What we, as acceptor, agree to."""
    contexts: dict[int, Context] = {}
    results: list[tuple[int, ContextResult, str]] = []
    roles: dict[str, tuple[bool, bool]] = {}
    for proposed in proposal.contexts:
        uid, syntaxes = proposed.abstract_syntax, proposed.transfer_syntaxes
        filler = syntaxes[0] if syntaxes else IMPLICIT_VR_LITTLE_ENDIAN
        storage = is_storage(uid)
        if not storage and uid != VERIFICATION and uid not in QUERY_RETRIEVE:
            results.append((proposed.context_id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, filler))
            continue
        chosen = next((one for one in syntaxes if storage or one in OWN_SYNTAXES), None)
        if chosen is None:
            results.append((proposed.context_id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, filler))
            continue
        peer_is_scp = False
        if uid in proposal.roles:
            scu, scp = proposal.roles[uid]
            peer_is_scp = scp and storage
            if not scu and not peer_is_scp:
                results.append((proposed.context_id, ContextResult.USER_REJECTION, filler))
                continue
            roles[uid] = (scu, peer_is_scp)
        contexts[proposed.context_id] = Context(proposed.context_id, uid, chosen, peer_is_scp)
        results.append((proposed.context_id, ContextResult.ACCEPTANCE, chosen))
    return Agreement(
        contexts=contexts,
        results=tuple(results),
        peer_max_pdu=proposal.max_pdu,
        roles=roles,
        extended=_extended(proposal.extended),
        has_asynchronous_operations=proposal.has_asynchronous_operations,
    )


def encode_accept(proposal: Proposal, agreement: Agreement, max_pdu: int) -> bytes:
    """The A-ASSOCIATE-AC PDU; ``max_pdu`` is what we take, in bytes."""
    accept = A_ASSOCIATE_AC()
    accept.reserved_aet = proposal.called_ae_title
    accept.reserved_aec = proposal.calling_ae_title
    accept.variable_items.append(_application_context())
    for context_id, result, syntax in agreement.results:
        item = PresentationContextItemAC()
        item.presentation_context_id = context_id
        item.result_reason = result
        item.transfer_syntax_sub_item = [_transfer_syntax_item(syntax)]
        accept.variable_items.append(item)
    information = _user_information(max_pdu)
    if agreement.has_asynchronous_operations:
        window = AsynchronousOperationsWindowSubItem()
        window.maximum_number_operations_invoked = 1
        window.maximum_number_operations_performed = 1
        information.user_data.append(window)
    information.user_data.extend(_role_item(uid, *roles) for uid, roles in agreement.roles.items())
    for uid, application_information in agreement.extended.items():
        extended = SOPClassExtendedNegotiationSubItem()
        extended.sop_class_uid = uid
        extended.service_class_application_information = application_information
        information.user_data.append(extended)
    accept.variable_items.append(information)
    return bytes(accept.encode())


def encode_request(
    contexts: Sequence[ProposedContext], *, calling_ae_title: str, called_ae_title: str, max_pdu: int
) -> bytes:
    """An A-ASSOCIATE-RQ PDU that proposes ``contexts`` (128 at most)."""
    request = A_ASSOCIATE_RQ()
    request.calling_ae_title = calling_ae_title
    request.called_ae_title = called_ae_title
    request.variable_items.append(_application_context())
    for context in contexts:
        item = PresentationContextItemRQ()
        item.presentation_context_id = context.context_id
        abstract_syntax = AbstractSyntaxSubItem()
        abstract_syntax.abstract_syntax_name = context.abstract_syntax
        item.abstract_transfer_syntax_sub_items = [
            abstract_syntax,
            *(_transfer_syntax_item(uid) for uid in context.transfer_syntaxes),
        ]
        request.variable_items.append(item)
    request.variable_items.append(_user_information(max_pdu))
    return bytes(request.encode())


def decode_accept(pdu: bytes, proposed: Sequence[ProposedContext]) -> Agreement:
    """What the acceptor agreed to of ``proposed``. Raises PeerFailure where its items make no sense."""
    accept = A_ASSOCIATE_AC()
    try:
        accept.decode(pdu)
        by_id = {context.context_id: context for context in proposed}
        contexts: dict[int, Context] = {}
        for item in accept.presentation_context:
            context = by_id.get(item.presentation_context_id or 0)
            syntax = str(item.transfer_syntax or "")
            if (
                context
                and item.result_reason == ContextResult.ACCEPTANCE
                and syntax in context.transfer_syntaxes
            ):
                contexts[context.context_id] = Context(
                    context.context_id, context.abstract_syntax, syntax, peer_is_scp=True
                )
        return Agreement(contexts=contexts, results=(), peer_max_pdu=_peer_max_pdu(accept.user_information))
    except _DECODING_FAILURES as error:
        raise PeerFailure("an A-ASSOCIATE-AC cannot be understood") from error


_DECODING_FAILURES = (
    AssertionError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    NotImplementedError,
    struct.error,
)


def _peer_max_pdu(information: UserInformationItem | None) -> int:
    announced = information.maximum_length if information is not None else None
    if announced is None:
        return _DEFAULT_PEER_MAX_PDU
    return max(announced, _MIN_PEER_MAX_PDU) if announced else 0


def _roles(information: UserInformationItem | None) -> dict[str, tuple[bool, bool]]:
    if information is None:
        return {}
    return {
        str(uid): (bool(item.scu_role), bool(item.scp_role))
        for uid, item in information.role_selection.items()
    }


def _extended(proposed: Mapping[str, bytes]) -> dict[str, bytes]:
    """The answer to each extended negotiation that we know: no more bytes than were proposed."""
    answers: dict[str, bytes] = {}
    for uid, asked in proposed.items():
        if uid in QUERY_RETRIEVE:
            finds = QUERY_RETRIEVE[uid][0] is CommandField.C_FIND_RQ
            offered = (_FIND_BITS if finds else _RETRIEVE_BITS).ljust(len(asked), b"\0")
            answers[uid] = bytes(one & other for one, other in zip(asked, offered, strict=False))
    return answers


def _application_context() -> ApplicationContextItem:
    item = ApplicationContextItem()
    item.application_context_name = APPLICATION_CONTEXT
    return item


def _transfer_syntax_item(uid: str) -> TransferSyntaxSubItem:
    item = TransferSyntaxSubItem()
    item.transfer_syntax_name = uid
    return item


def _role_item(uid: str, scu: bool, scp: bool) -> SCP_SCU_RoleSelectionSubItem:
    item = SCP_SCU_RoleSelectionSubItem()
    item.sop_class_uid = uid
    item.scu_role = int(scu)
    item.scp_role = int(scp)
    return item


def _user_information(max_pdu: int) -> UserInformationItem:
    information = UserInformationItem()
    maximum_length = MaximumLengthSubItem()
    maximum_length.maximum_length_received = max_pdu
    class_uid = ImplementationClassUIDSubItem()
    class_uid.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    version_name = ImplementationVersionNameSubItem()
    version_name.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    information.user_data = [maximum_length, class_uid, version_name]
    return information

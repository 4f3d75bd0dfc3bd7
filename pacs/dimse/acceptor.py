"""One accepted connection, from its first byte to its last (PS3.8 section 9.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from pacs.archive.observer import AssociationChange, Caller, Observer
from pacs.dicom.status import VerificationStatus
from pacs.dimse import message
from pacs.dimse.association import Association, Message, TimeLimits
from pacs.dimse.config import DimseConfig
from pacs.dimse.connection import LINGER_SECONDS, Closed, Connection, TimedOut
from pacs.dimse.message import RESPONSE_BIT, Command, CommandField
from pacs.dimse.negotiation import (
    APPLICATION_CONTEXT,
    APPLICATION_CONTEXT_NOT_SUPPORTED,
    CALLED_AE_TITLE_NOT_RECOGNIZED,
    CALLING_AE_TITLE_NOT_RECOGNIZED,
    PROTOCOL_VERSION_1,
    PROTOCOL_VERSION_NOT_SUPPORTED,
    Proposal,
    Rejection,
    decode_request,
    encode_accept,
    negotiate,
)
from pacs.dimse.pdu import Abort, AbortReason, AbortSource, AssociateRQ, Invalid, encode_reject
from pacs.dimse.service import Service
from pacs.errors import PeerFailure

logger = logging.getLogger(__name__)

Admit = Callable[[Association], Rejection | None]


class Acceptor:
    """Serves connections, each in the thread that calls ``serve``.

    ``admit`` is asked before an association is accepted, and may refuse it; ``leave`` is called when an
    admitted one ended.
    """

    def __init__(
        self,
        config: DimseConfig,
        services: Mapping[int, Service],
        observer: Observer,
        admit: Admit,
        leave: Callable[[Association], None],
    ) -> None:
        self._config = config
        self._services = services
        self._observer = observer
        self._admit = admit
        self._leave = leave
        self._limits = TimeLimits(config.network_seconds, config.dimse_seconds, config.idle_seconds)

    def serve(self, connection: Connection, address: str) -> None:
        """Serve one connection until it ends. Never raises for what a peer does."""
        try:
            proposal = self._first_pdu(connection, address)
            if proposal is not None:
                self._negotiate(connection, proposal, address)
        except PeerFailure as failure:
            logger.info("%s: no association: %s", address, failure)
        finally:
            connection.close(LINGER_SECONDS)

    def _first_pdu(self, connection: Connection, address: str) -> Proposal | None:
        """The association request; None where the peer sent none, as load balancers' probes do."""
        event = connection.next_event(self._config.artim_seconds)
        if isinstance(event, AssociateRQ):
            try:
                return decode_request(event.pdu)
            except PeerFailure:
                connection.abort(AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PDU_PARAMETER)
                raise
        if isinstance(event, Closed | TimedOut | Abort):
            logger.debug("%s: closed without an association request", address)
        elif isinstance(event, Invalid):
            connection.abort_invalid(event)
            raise PeerFailure(f"what came is not DICOM ({event.detail})")
        else:
            connection.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)
            raise PeerFailure("the first PDU is no association request")
        return None

    def _negotiate(self, connection: Connection, proposal: Proposal, address: str) -> None:
        caller = Caller(proposal.calling_ae_title, proposal.called_ae_title, address)
        association = Association(connection, negotiate(proposal), self._limits, caller)
        rejection = self._objection(proposal) or self._admit(association)
        if rejection is not None:
            connection.send(encode_reject(rejection.result, rejection.source, rejection.reason))
            self._observer.association(AssociationChange.REJECTED, caller, rejection.text)
            return
        try:
            connection.send(encode_accept(proposal, association.agreement, self._config.max_pdu))
            self._observer.association(AssociationChange.OPENED, caller)
            self._run(association)
        finally:
            self._leave(association)

    def _objection(self, proposal: Proposal) -> Rejection | None:
        config = self._config
        if not proposal.protocol_version & PROTOCOL_VERSION_1:
            return PROTOCOL_VERSION_NOT_SUPPORTED
        if proposal.application_context != APPLICATION_CONTEXT:
            return APPLICATION_CONTEXT_NOT_SUPPORTED
        if config.require_called_ae_title and proposal.called_ae_title != config.ae_title:
            return CALLED_AE_TITLE_NOT_RECOGNIZED
        if config.calling_ae_titles and proposal.calling_ae_title not in config.calling_ae_titles:
            return CALLING_AE_TITLE_NOT_RECOGNIZED
        return None

    def _run(self, association: Association) -> None:
        try:
            while (request := association.next_request()) is not None:
                self._dispatch(association, request)
        except PeerFailure as failure:
            self._observer.association(AssociationChange.ABORTED, association.caller, str(failure))
        except Exception:
            logger.exception(
                "%s: the association is aborted after an error of ours", association.caller.address
            )
            association.abort()
            self._observer.association(AssociationChange.ABORTED, association.caller, "an error of ours")
        else:
            self._observer.association(AssociationChange.RELEASED, association.caller)

    def _dispatch(self, association: Association, request: Message) -> None:
        command = request.command
        service = self._services.get(command.field)
        if service is not None:
            service.serve(association, request)
        elif command.is_response or command.field == CommandField.C_CANCEL_RQ:
            # A C-CANCEL may cross our final response: there is nothing left to cancel then.
            association.skip_data_set()
        else:
            association.skip_data_set()
            response = Command(
                field=command.field | RESPONSE_BIT,
                message_id=command.message_id,
                sop_class_uid=command.sop_class_uid,
                status=VerificationStatus.UNRECOGNIZED_OPERATION,
            )
            association.send_command(request.context.context_id, message.encode(response))

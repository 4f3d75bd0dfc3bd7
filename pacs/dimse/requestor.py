"""Requesting an association with a peer (PS3.8 section 7.1)."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from pacs.archive.observer import Caller
from pacs.dimse.association import Association, TimeLimits
from pacs.dimse.connection import Closed, Connection, TimedOut
from pacs.dimse.negotiation import REJECTIONS, ProposedContext, decode_accept, encode_request
from pacs.dimse.pdu import AssociateAC, AssociateRJ, Invalid
from pacs.errors import PeerFailure
from pacs.peers.peer import Peer

_SEND_BUFFER_BYTES = 2 * 1024 * 1024


def request_association(
    peer: Peer,
    contexts: Sequence[ProposedContext],
    *,
    calling_ae_title: str,
    max_pdu: int,
    limits: TimeLimits,
) -> Association:
    """An association with ``peer``, on at least one of ``contexts``. Raises PeerFailure."""
    name = f"{peer.ae_title} ({peer.host}:{peer.port})"
    try:
        sock = socket.create_connection((peer.host, peer.port), timeout=limits.network)
    except OSError as error:
        raise PeerFailure(f"{name} cannot be reached: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        connection = Connection(sock, max_pdu=max_pdu, network_seconds=limits.network)
    except OSError as error:
        sock.close()
        raise PeerFailure(f"{name} cannot be reached: {error.strerror or error}") from error
    request = encode_request(
        contexts, calling_ae_title=calling_ae_title, called_ae_title=peer.ae_title, max_pdu=max_pdu
    )
    try:
        connection.send(request)
        event = connection.next_event(limits.dimse)
        if isinstance(event, AssociateRJ):
            raise PeerFailure(f"{name} rejected the association: {_reason(event)}")
        if isinstance(event, Closed):
            raise PeerFailure(f"{name} closed the connection instead of accepting the association")
        if isinstance(event, TimedOut):
            raise PeerFailure(f"{name} did not answer the association request in time")
        if isinstance(event, Invalid) or not isinstance(event, AssociateAC):
            raise PeerFailure(f"{name} does not speak DICOM, or aborted")
        agreement = decode_accept(event.pdu, contexts)
    except PeerFailure:
        connection.close()
        raise
    caller = Caller(calling_ae_title, peer.ae_title, f"{peer.host}:{peer.port}")
    association = Association(connection, agreement, limits, caller)
    if not agreement.contexts:
        association.release()
        raise PeerFailure(f"{name} accepted none of the presentation contexts")
    return association


def _reason(event: AssociateRJ) -> str:
    for known in REJECTIONS:
        if (known.source, known.reason) == (event.source, event.reason):
            return known.text
    return f"source {event.source}, reason {event.reason}"

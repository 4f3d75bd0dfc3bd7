"""C-ECHO to a peer (PS3.4 annex A, PS3.7 section 9.1.5)."""

from __future__ import annotations

from pacs.dicom.sop_class import VERIFICATION
from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from pacs.dimse import message
from pacs.dimse.association import TimeLimits
from pacs.dimse.message import Command, CommandField
from pacs.dimse.negotiation import ProposedContext
from pacs.dimse.requestor import request_association
from pacs.errors import PeerFailure
from pacs.peers.peer import Peer

_MAX_PDU = 16384
_CONTEXT = ProposedContext(1, VERIFICATION, (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN))


def echo(peer: Peer, calling_ae_title: str, seconds: float) -> None:
    """Verify that ``peer`` answers; each wait takes ``seconds`` at most. Raises PeerFailure."""
    limits = TimeLimits(network=seconds, dimse=seconds, idle=seconds)
    association = request_association(
        peer, [_CONTEXT], calling_ae_title=calling_ae_title, max_pdu=_MAX_PDU, limits=limits
    )
    request = Command(field=CommandField.C_ECHO_RQ, message_id=1, sop_class_uid=VERIFICATION)
    try:
        association.send_command(_CONTEXT.context_id, message.encode(request))
        answer = association.next_answer().command
    except PeerFailure:
        association.abort()
        raise
    association.release()
    if answer.field != CommandField.C_ECHO_RSP or answer.status != 0:
        raise PeerFailure(f"{peer.ae_title} answered C-ECHO with status {answer.status or 0:04X}")

"""An established association (PS3.8 section 7, PS3.7 section 8): messages in, messages out.

Used on both sides. Any breach of the protocol, loss of the connection or time-out inside a message ends
the association: it is aborted and PeerFailure is raised.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pacs.archive.observer import Caller
from pacs.dimse import message, pdu
from pacs.dimse.connection import Closed, Connection, TimedOut
from pacs.dimse.message import Command, CommandField
from pacs.dimse.negotiation import Agreement, Context
from pacs.dimse.pdu import (
    RELEASE_RP,
    RELEASE_RQ,
    Abort,
    AbortReason,
    AbortSource,
    Event,
    Invalid,
    PData,
    ReleaseRP,
    ReleaseRQ,
)
from pacs.errors import PeerFailure, UnreadableDataSet

MAX_IDENTIFIER_BYTES = 4 * 1024 * 1024
"""The longest identifier that is read into memory; a UID list of 60 000 instances fits."""

DRAIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """In seconds.

    ``network`` is for a stall inside a message, ``dimse`` for a peer's answer, ``idle`` between messages.
    """

    network: float
    dimse: float
    idle: float


@dataclass(frozen=True, slots=True)
class Message:
    """A command and the presentation context it came on."""

    context: Context
    command: Command


class Association:
    """Messages over one connection, in one thread."""

    def __init__(
        self, connection: Connection, agreement: Agreement, limits: TimeLimits, caller: Caller
    ) -> None:
        self.connection = connection
        self.agreement = agreement
        self.limits = limits
        self.caller = caller
        self._early: deque[Message] = deque()
        self._gathered = bytearray()
        self._data_set_open = False
        self._context_id = 0
        self._idle = False
        self._draining = False

    def next_request(self) -> Message | None:
        """The next message between operations; None when the peer released the association.

        Raises PeerFailure, also when nothing came within the idle time-out, or after ``drain``.
        """
        if self._early:
            return self._early.popleft()
        self._idle = True
        request = self._receive(DRAIN_SECONDS if self._draining else self.limits.idle)
        self._idle = False
        if request is not None and self._draining:
            self.connection.abort(AbortSource.SERVICE_PROVIDER)
            raise PeerFailure("aborted: shutting down")
        return request

    def drain(self) -> None:
        """Let the running operation end, but begin no other. For any thread.

        After it, the peer has ``DRAIN_SECONDS`` to release; an association without operation is aborted.
        """
        # Each side sets its own flag before it looks at the other's: one of them sees both.
        self._draining = True
        if self._idle:
            self.connection.interrupt()

    def next_answer(self) -> Message:
        """The next message while one is awaited, within the DIMSE time-out. Raises PeerFailure."""
        answer = self._receive(self.limits.dimse)
        if answer is None:
            raise PeerFailure("the peer released the association instead of answering")
        return answer

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL for ``message_id`` came; never waits. Raises PeerFailure.

        Any other message that came is kept for ``next_request``.
        """
        while not self._early:
            event = self.connection.poll_event()
            if event is None:
                return False
            found = self._take(event)
            if found is None:
                continue
            command = found.command
            if command.field == CommandField.C_CANCEL_RQ:
                if command.message_id == message_id:
                    return True
            else:
                self._early.append(found)
        return False

    def data_set(self) -> Iterator[memoryview]:
        """The pieces of the data set that follows the last command. Raises PeerFailure.

        Each is good until the next one is asked for.
        """
        context_id = self._context_id
        next_event, seconds = self.connection.next_event, self.limits.network
        while self._data_set_open:
            event = next_event(seconds)
            if type(event) is not PData:
                raise self._breach(event)
            if event.is_command or event.context_id != context_id:
                raise self._violation("a command came where a data set had to go on")
            if event.is_last:
                self._data_set_open = False
            yield event.data

    def identifier(self) -> bytes:
        """The whole data set that follows the last command. Raises PeerFailure."""
        gathered = bytearray()
        for piece in self.data_set():
            gathered += piece
            if len(gathered) > MAX_IDENTIFIER_BYTES:
                raise self._violation(f"an identifier has more than {MAX_IDENTIFIER_BYTES} bytes")
        return bytes(gathered)

    def skip_data_set(self) -> None:
        """Read what is left of the data set that follows the last command. Raises PeerFailure."""
        for _ in self.data_set():
            pass

    def send_command(self, context_id: int, command: bytes) -> None:
        """Send an encoded command set without a data set. Raises PeerFailure."""
        self.connection.send(self.pack(context_id, command))

    def send_message(self, context_id: int, command: bytes, data_set: bytes) -> None:
        """Send an encoded command set and its data set. Raises PeerFailure."""
        self.connection.send(self.pack(context_id, command, data_set))

    def pack(self, context_id: int, command: bytes, data_set: bytes | None = None) -> bytes:
        """A message as PDUs within the peer's limit."""
        limit = self.agreement.peer_max_pdu
        parts = pdu.encode_p_data(context_id, command, limit, is_command=True)
        if data_set is not None:
            parts += pdu.encode_p_data(context_id, data_set, limit, is_command=False)
        return b"".join(parts)

    def release(self) -> None:
        """Release as requestor (PS3.8 section 7.2) and close. Never raises."""
        try:
            self.connection.send(RELEASE_RQ)
            while isinstance(event := self.connection.next_event(self.limits.network), PData | ReleaseRQ):
                if isinstance(event, ReleaseRQ):  # both release at once: section 7.2.2.7
                    self.connection.send(RELEASE_RP)
        except PeerFailure:
            pass
        self.connection.close()

    def abort(self) -> None:
        """Abort as service user and close. Never raises."""
        self.connection.abort(AbortSource.SERVICE_USER)

    def _receive(self, seconds: float) -> Message | None:
        if self._data_set_open:
            self.skip_data_set()
        while True:
            event = self.connection.next_event(seconds)
            if isinstance(event, ReleaseRQ) and not self._gathered:
                self.connection.send(RELEASE_RP)
                return None
            found = self._take(event)
            if found is not None:
                return found
            seconds = self.limits.network

    def _take(self, event: Event | Closed | TimedOut) -> Message | None:
        """The message that ``event`` completes, if it does."""
        if type(event) is not PData:
            raise self._breach(event)
        if not event.is_command:
            raise self._violation("a data set came without a command")
        if self._gathered:
            if event.context_id != self._context_id:
                raise self._violation("a command came on two presentation contexts")
            self._gathered += event.data
            if len(self._gathered) > message.MAX_COMMAND_BYTES:
                raise self._violation("a command set is too long")
            if not event.is_last:
                return None
            data: bytes | bytearray | memoryview = self._gathered
            self._gathered = bytearray()
        elif event.is_last:
            data = event.data
        else:
            self._gathered += event.data
            self._context_id = event.context_id
            return None
        context = self.agreement.contexts.get(event.context_id)
        if context is None:
            raise self._violation(f"presentation context {event.context_id} was not accepted")
        try:
            command = message.decode(data)
        except UnreadableDataSet as error:
            raise self._violation(str(error)) from error
        self._context_id = event.context_id
        self._data_set_open = command.has_data_set
        return Message(context, command)

    def _breach(self, event: Event | Closed | TimedOut) -> PeerFailure:
        """End the association for what came instead of P-DATA."""
        if isinstance(event, Closed) and self._draining:
            self.connection.abort(AbortSource.SERVICE_PROVIDER)
            return PeerFailure("aborted: shutting down")
        if isinstance(event, Closed):
            self.connection.close()
            return PeerFailure("the peer closed the connection")
        if isinstance(event, TimedOut):
            self.connection.abort(AbortSource.SERVICE_PROVIDER)
            return PeerFailure("the peer sent nothing: the time-out passed")
        if isinstance(event, Abort):
            self.connection.close()
            return PeerFailure("the peer aborted")
        if isinstance(event, Invalid):
            self.connection.abort_invalid(event)
            return PeerFailure(f"the peer broke the protocol: {event.detail}")
        kind = "release" if isinstance(event, ReleaseRQ | ReleaseRP) else type(event).__name__
        self.connection.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PDU)
        return PeerFailure(f"the peer broke the protocol: unexpected {kind}")

    def _violation(self, detail: str) -> PeerFailure:
        self.connection.abort(AbortSource.SERVICE_USER)
        return PeerFailure(f"the peer broke the protocol: {detail}")

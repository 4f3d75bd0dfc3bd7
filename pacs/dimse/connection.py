"""A blocking socket under a PDU stream: receives into the stream's buffer, sends whole lists of pieces.

Time-outs are the kernel's (SO_RCVTIMEO, SO_SNDTIMEO): a read costs one system call, where a Python
socket with a time-out of its own costs two.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pacs.dimse.pdu import AbortReason, AbortSource, Event, Invalid, PDUStream, encode_abort
from pacs.errors import PeerFailure

logger = logging.getLogger(__name__)

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux only."""
_TIMEVAL = struct.Struct("ll")
_MAX_PARTS = 1024
"""IOV_MAX of Linux."""
LINGER_SECONDS = 1.0
"""How long the peer may take to close after an abort, a rejection or a release, before we do."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The peer closed the connection, or it broke."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nothing whole came in time."""


class Connection:
    """One TCP connection. ``max_pdu`` in bytes as announced to the peer; ``network_seconds`` for writes.

    Not for several threads at once, but for ``interrupt`` and ``cut``.
    """

    def __init__(self, sock: socket.socket, *, max_pdu: int, network_seconds: float) -> None:
        self._socket = sock
        self._stream = PDUStream(max_pdu)
        self._receive_seconds = -1.0
        self._closed = False
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(network_seconds))
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def next_event(self, seconds: float) -> Event | Closed | TimedOut:
        """The next event, waiting at most about ``seconds`` for it."""
        event = self._stream.next_event()
        if event is not None:
            return event
        if seconds != self._receive_seconds:
            self._set_receive_seconds(seconds)
        deadline = 0.0
        while True:
            try:
                # Peers that write a PDU in two pieces without TCP_NODELAY (DCMTK's default) send the second
                # only when the first is acknowledged, which we would otherwise delay by 40 ms.
                if _QUICKACK is not None:
                    self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
                count = self._socket.recv_into(self._stream.space())
            except BlockingIOError:
                return TimedOut()
            except OSError:
                return Closed()
            if not count:
                return Closed()
            self._stream.received(count)
            event = self._stream.next_event()
            if event is not None:
                return event
            # Only a peer that sends a PDU in small pieces comes here: it gets the same time for the whole.
            now = time.monotonic()
            deadline = deadline or now + seconds
            if now >= deadline:
                return TimedOut()
            self._set_receive_seconds(deadline - now)

    def poll_event(self) -> Event | Closed | None:
        """The next event if there is one already; never waits."""
        event = self._stream.next_event()
        while event is None:
            if not self._poll.poll(0):
                return None
            try:
                count = self._socket.recv_into(self._stream.space(), 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return None
            except OSError:
                return Closed()
            if not count:
                return Closed()
            self._stream.received(count)
            event = self._stream.next_event()
        return event

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of ``data``. Raises PeerFailure."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise _send_failure(error) from error

    def send_parts(self, parts: Sequence[bytes | bytearray | memoryview]) -> None:
        """Send all of ``parts`` in as few system calls as may be. Raises PeerFailure."""
        try:
            for start in range(0, len(parts), _MAX_PARTS):
                chunk = parts[start : start + _MAX_PARTS]
                wanted = sum(map(len, chunk))
                sent = self._socket.sendmsg(chunk)
                if sent < wanted:
                    self._send_rest(chunk, sent)
        except OSError as error:
            raise _send_failure(error) from error

    def _send_rest(self, parts: Sequence[bytes | bytearray | memoryview], sent: int) -> None:
        for part in parts:
            if sent >= len(part):
                sent -= len(part)
            else:
                self._socket.sendall(memoryview(part)[sent:])
                sent = 0

    def abort(self, source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> None:
        """Send A-ABORT, wait a little for the peer to close, and close. Never raises."""
        if not self._closed:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(LINGER_SECONDS))
                self._socket.sendall(encode_abort(source, reason))
        self.close(linger_seconds=LINGER_SECONDS)

    def abort_invalid(self, event: Invalid) -> None:
        """Answer bytes that are no PDU."""
        self.abort(AbortSource.SERVICE_PROVIDER, event.reason)

    def close(self, linger_seconds: float = 0.0) -> None:
        """Close; with ``linger_seconds``, after the peer did or that time.

        Closing while bytes of the peer are unread resets the connection, and the peer may then never
        see our last PDU.
        """
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            if linger_seconds:
                self._socket.shutdown(socket.SHUT_WR)
                self._drain(time.monotonic() + linger_seconds)
        with contextlib.suppress(OSError):
            self._socket.close()

    def _drain(self, deadline: float) -> None:
        scratch = bytearray(64 * 1024)
        while (rest := deadline - time.monotonic()) > 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(rest))
            if not self._socket.recv_into(scratch):
                return

    def interrupt(self) -> None:
        """Make a thread that waits in ``next_event`` see the connection as closed; sending works on."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)

    def cut(self) -> None:
        """Break the connection from another thread, with an A-ABORT if there is room for it."""
        with contextlib.suppress(OSError):
            self._socket.send(encode_abort(AbortSource.SERVICE_PROVIDER), socket.MSG_DONTWAIT)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _set_receive_seconds(self, seconds: float) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(seconds))
        self._receive_seconds = seconds


def _timeval(seconds: float) -> bytes:
    # A time of zero would mean no limit at all.
    microseconds = max(int(seconds * 1_000_000), 1000)
    return _TIMEVAL.pack(*divmod(microseconds, 1_000_000))


def _send_failure(error: OSError) -> PeerFailure:
    if isinstance(error, BlockingIOError):
        return PeerFailure("the peer takes no more bytes: the network time-out passed")
    return PeerFailure(f"the connection broke while sending: {error.strerror or error}")

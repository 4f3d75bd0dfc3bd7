"""The listening socket of DIMSE: accepts connections and hands each on."""

from __future__ import annotations

import errno
import logging
import select
import socket
import threading
import time
from collections.abc import Callable

from pacs.errors import Unavailable

logger = logging.getLogger(__name__)

BACKLOG = 1024
RECEIVE_BUFFER_BYTES = 1024 * 1024
_PAUSE_SECONDS = 0.1
_PASSING = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM),
        *(errno.ECONNABORTED, errno.EPROTO, errno.EINTR, errno.EAGAIN),
    }
)

Take = Callable[[socket.socket, str], None]


class Listener:
    """Gives every accepted socket and its peer's ``host:port`` to ``take``, from a thread of its own.

    Raises Unavailable where the port cannot be had.
    """

    def __init__(self, bind: str, port: int, take: Take) -> None:
        try:
            family = socket.AF_INET6 if ":" in bind else socket.AF_INET
            listener = socket.create_server((bind, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise Unavailable(
                f"DIMSE cannot listen on {bind}:{port}: {error.strerror or error};"
                " choose another --dimse-port or --bind"
            ) from error
        # Inherited by accepted sockets, and early enough for the TCP window to grow with it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        # The connection that woke us may be gone by the time we accept: that must not keep us waiting.
        listener.setblocking(False)
        self._listener = listener
        host, number = listener.getsockname()[:2]
        self._address = str(host), int(number)
        self._take = take
        self._woken, self._waking = socket.socketpair()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name="dimse-accept", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._address

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more; on return ``take`` is not called any more."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._waking.send(b"\0")
            if self._thread.ident is not None:
                self._thread.join()
            for sock in (self._listener, self._woken, self._waking):
                sock.close()

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._closed:
            try:
                sock, address = self._listener.accept()
            except BlockingIOError:
                poll.poll()
                continue
            except OSError as error:
                if error.errno not in _PASSING:
                    logger.exception("No more associations can be accepted")
                    return
                if error.errno != errno.ECONNABORTED:
                    logger.warning("A connection cannot be accepted now: %s", error.strerror)
                    time.sleep(_PAUSE_SECONDS)
                continue
            self._take(sock, f"{address[0]}:{address[1]}")

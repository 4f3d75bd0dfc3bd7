"""The DIMSE server: accepts connections and gives each a thread, within limits.

Only an association counts against ``max_associations``: a connection that has not asked for one yet does
not, so probes and silent peers keep nobody out. Threads are bounded by ``SPARE_THREADS`` more than that:
enough to tell those beyond the limit that it is reached. What comes beyond even those is closed.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time

from pacs.archive.decompress import Decompressor
from pacs.archive.find import Find
from pacs.archive.observer import Caller, Observer
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.dimse.acceptor import Acceptor
from pacs.dimse.association import Association
from pacs.dimse.config import DimseConfig
from pacs.dimse.connection import Connection
from pacs.dimse.echo_scp import EchoSCP
from pacs.dimse.find_scp import FindSCP
from pacs.dimse.get_scp import GetSCP
from pacs.dimse.message import CommandField
from pacs.dimse.move_scp import MoveSCP
from pacs.dimse.negotiation import LOCAL_LIMIT_EXCEEDED, TEMPORARY_CONGESTION, Rejection
from pacs.dimse.service import Service
from pacs.dimse.store_scp import StoreSCP
from pacs.errors import Unavailable
from pacs.peers.registry import PeerRegistry

logger = logging.getLogger(__name__)

SPARE_THREADS = 32
BACKLOG = 1024
RECEIVE_BUFFER_BYTES = 1024 * 1024
_PAUSE_SECONDS = 0.1
_CUT_SECONDS = 2.0
_PASSING = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED, errno.EPROTO, errno.EINTR}
)

__all__ = ["DimseConfig", "DimseServer"]


class DimseServer:
    """Serves C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET on one port."""

    def __init__(
        self,
        config: DimseConfig,
        *,
        store: Store,
        find: Find,
        retrieve: Retrieve,
        peers: PeerRegistry,
        observer: Observer,
    ) -> None:
        self._config = config
        decompressor = Decompressor()
        services: dict[int, Service] = {
            CommandField.C_ECHO_RQ: EchoSCP(observer),
            CommandField.C_STORE_RQ: StoreSCP(store, observer),
            CommandField.C_FIND_RQ: FindSCP(find, observer),
            CommandField.C_MOVE_RQ: MoveSCP(find, retrieve, peers, decompressor, observer, config.ae_title),
            CommandField.C_GET_RQ: GetSCP(find, retrieve, decompressor, observer),
        }
        self._acceptor = Acceptor(config, services, observer, self._admit, self._leave)
        self._state = threading.Condition()
        self._associations: set[Association] = set()
        self._connections: set[Connection] = set()
        self._draining = False
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and accept, in a thread of its own. Raises Unavailable where the port cannot be had."""
        config = self._config
        try:
            family = socket.AF_INET6 if ":" in config.bind else socket.AF_INET
            listener = socket.create_server((config.bind, config.port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise Unavailable(
                f"DIMSE cannot listen on {config.bind}:{config.port}: {error.strerror or error};"
                " choose another --dimse-port or --bind"
            ) from error
        # Inherited by accepted sockets, and early enough for the TCP window to grow with it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="dimse-accept")
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the server listens on."""
        if self._listener is None:
            raise Unavailable("the DIMSE server is not started")
        host, port = self._listener.getsockname()[:2]
        return str(host), int(port)

    @property
    def active(self) -> int:
        """How many associations there are now."""
        return len(self._associations)

    def callers(self) -> list[Caller]:
        """Who has an association now."""
        with self._state:
            return [association.caller for association in self._associations]

    def shutdown(self, drain_seconds: float) -> None:
        """Stop accepting, let running operations end for ``drain_seconds``, then abort what is left."""
        with self._state:
            self._draining = True
            associations = list(self._associations)
            busy = {association.connection for association in associations}
            unassociated = self._connections - busy
        if self._listener is not None:
            # Wakes the accepting thread; closing alone would leave it waiting.
            _shut(self._listener)
            self._listener.close()
        if self._thread is not None:
            self._thread.join()
        for association in associations:
            association.drain()
        for connection in unassociated:
            connection.interrupt()
        with self._state:
            self._state.wait_for(lambda: not self._connections, drain_seconds)
            left = list(self._connections)
        for connection in left:
            connection.cut()
        with self._state:
            self._state.wait_for(lambda: not self._connections, _CUT_SECONDS)

    def _accept(self, listener: socket.socket) -> None:
        while not self._draining:
            try:
                sock, address = listener.accept()
            except OSError as error:
                if self._draining or error.errno not in _PASSING:
                    if not self._draining:
                        logger.exception("No more associations can be accepted")
                    return
                if error.errno != errno.ECONNABORTED:
                    logger.warning("A connection cannot be accepted now: %s", error.strerror)
                    time.sleep(_PAUSE_SECONDS)
                continue
            self._begin(sock, f"{address[0]}:{address[1]}")

    def _begin(self, sock: socket.socket, address: str) -> None:
        with self._state:
            is_full = len(self._connections) >= self._config.max_associations + SPARE_THREADS
        if is_full:
            logger.debug("%s: closed, too many connections", address)
            sock.close()
            return
        try:
            connection = Connection(
                sock, max_pdu=self._config.max_pdu, network_seconds=self._config.network_seconds
            )
        except OSError:
            sock.close()
            return
        with self._state:
            self._connections.add(connection)
        try:
            threading.Thread(
                target=self._serve, args=(connection, address), name=f"dimse-{address}", daemon=True
            ).start()
        except RuntimeError:
            logger.warning("A connection cannot be served: no more threads")
            self._end(connection)

    def _serve(self, connection: Connection, address: str) -> None:
        try:
            self._acceptor.serve(connection, address)
        except Exception:
            logger.exception("%s: a connection ended by an error of ours", address)
        finally:
            self._end(connection)

    def _end(self, connection: Connection) -> None:
        connection.close()
        with self._state:
            self._connections.discard(connection)
            self._state.notify_all()

    def _admit(self, association: Association) -> Rejection | None:
        with self._state:
            if self._draining:
                return TEMPORARY_CONGESTION
            if len(self._associations) >= self._config.max_associations:
                return LOCAL_LIMIT_EXCEEDED
            self._associations.add(association)
        return None

    def _leave(self, association: Association) -> None:
        with self._state:
            self._associations.discard(association)


def _shut(listener: socket.socket) -> None:
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("The listener was closed already")

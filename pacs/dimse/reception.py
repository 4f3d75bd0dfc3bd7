"""Serves accepted connections, each in a thread, within limits.

Only an association takes a place in the room: a connection that has not asked for one yet does not, so
probes and silent peers keep nobody out. Threads are bounded by ``SPARE_THREADS`` more than there are places:
enough to tell those beyond the limit that it is reached. What comes beyond even those is closed.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

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
from pacs.dimse.room import Room
from pacs.dimse.service import Service
from pacs.dimse.store_scp import StoreSCP
from pacs.peers.registry import PeerRegistry

logger = logging.getLogger(__name__)

SPARE_THREADS = 32
_CUT_SECONDS = 2.0


class Reception:
    """Serves C-ECHO, C-STORE, C-FIND, C-MOVE and C-GET on the connections that it is given.

    ``ended`` is called for each of them when it is over.
    """

    def __init__(
        self,
        config: DimseConfig,
        *,
        store: Store,
        find: Find,
        retrieve: Retrieve,
        peers: PeerRegistry,
        observer: Observer,
        room: Room,
        ended: Callable[[], None] = lambda: None,
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
        self._room = room
        self._ended = ended
        self._state = threading.Condition()
        self._associations: set[Association] = set()
        self._connections: set[Connection] = set()
        self._draining = False

    @property
    def active(self) -> int:
        """How many associations there are now."""
        return len(self._associations)

    def callers(self) -> list[Caller]:
        """Who has an association now."""
        with self._state:
            return [association.caller for association in self._associations]

    def shutdown(self, drain_seconds: float) -> None:
        """Let running operations end for ``drain_seconds``, then abort what is left. For any thread.

        A connection that is taken from now on is closed.
        """
        with self._state:
            self._draining = True
            associations = list(self._associations)
            busy = {association.connection for association in associations}
            unassociated = self._connections - busy
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

    def take(self, sock: socket.socket, address: str) -> None:
        """Serve the connection ``sock`` of the peer at ``address`` (``host:port``) in a thread of its own."""
        try:
            connection = Connection(
                sock, max_pdu=self._config.max_pdu, network_seconds=self._config.network_seconds
            )
        except OSError:
            self._refuse(sock)
            return
        with self._state:
            is_welcome = (
                not self._draining and len(self._connections) < self._config.max_associations + SPARE_THREADS
            )
            if is_welcome:
                self._connections.add(connection)
        if not is_welcome:
            logger.debug("%s: closed, too many connections or shutting down", address)
            self._refuse(sock)
            return
        try:
            threading.Thread(
                target=self._serve, args=(connection, address), name=f"dimse-{address}", daemon=True
            ).start()
        except RuntimeError:
            logger.warning("A connection cannot be served: no more threads")
            self._end(connection)

    def _refuse(self, sock: socket.socket) -> None:
        sock.close()
        self._ended()

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
        self._ended()

    def _admit(self, association: Association) -> Rejection | None:
        with self._state:
            if self._draining:
                return TEMPORARY_CONGESTION
            if not self._room.enter():
                return LOCAL_LIMIT_EXCEEDED
            self._associations.add(association)
        return None

    def _leave(self, association: Association) -> None:
        with self._state:
            self._associations.discard(association)
        self._room.leave()

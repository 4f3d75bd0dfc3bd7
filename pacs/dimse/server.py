"""The DIMSE server of one process: a listener, and the reception that serves what comes in."""

from __future__ import annotations

from pacs.archive.find import Find
from pacs.archive.observer import Caller, Observer
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.dimse.config import DimseConfig
from pacs.dimse.listener import Listener
from pacs.dimse.reception import Reception
from pacs.dimse.room import LocalRoom
from pacs.errors import Unavailable
from pacs.peers.registry import PeerRegistry

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
        self._reception = Reception(
            config,
            store=store,
            find=find,
            retrieve=retrieve,
            peers=peers,
            observer=observer,
            room=LocalRoom(config.max_associations),
        )
        self._listener: Listener | None = None

    def start(self) -> None:
        """Listen and accept, in a thread of its own. Raises Unavailable where the port cannot be had."""
        self._listener = Listener(self._config.bind, self._config.port, self._reception.take)
        self._listener.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the server listens on."""
        if self._listener is None:
            raise Unavailable("the DIMSE server is not started")
        return self._listener.address

    @property
    def active(self) -> int:
        """How many associations there are now."""
        return self._reception.active

    def callers(self) -> list[Caller]:
        """Who has an association now."""
        return self._reception.callers()

    def shutdown(self, drain_seconds: float) -> None:
        """Stop accepting, let running operations end for ``drain_seconds``, then abort what is left."""
        if self._listener is not None:
            self._listener.close()
        self._reception.shutdown(drain_seconds)

"""A worker: a process that serves associations for the main process of ``pacs serve``.

It stores, finds and sends as any process may: it writes journal segments of its own, reads the index, and
leaves writing the index to the main process. It ends when that tells it to, or at once when that is gone.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from functools import partial

from pacs import logs
from pacs.app.board import Board, SharedRoom
from pacs.app.channel import Begin, Ready, Report, Serve, Stop, new_end, receive_order, send_answer
from pacs.app.compose import dimse_config, open_index, open_storage, peers, places, tune_interpreter
from pacs.app.observers import Observers
from pacs.app.relay import Relay
from pacs.app.reopening import ReopeningIndex
from pacs.app.settling import RemoteSettle
from pacs.archive.find import Find
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.dimse.negotiation import configure_libraries
from pacs.dimse.reception import Reception
from pacs.errors import PacsError
from pacs.logs import OperationLog
from pacs.storage.journal import Journal
from pacs.storage.quarantine import Quarantine

logger = logging.getLogger(__name__)

KNOWN_SECONDS = 1.0
"""How old a store's view of what other workers stored may be. What that hides is found when it is indexed."""

_ABANDONED = 1
_PR_SET_PDEATHSIG = 1


class Worker:
    """Serves what the main process hands over ``control``. Raises OutOfResources where it cannot store."""

    def __init__(self, control: socket.socket, begin: Begin, board: Board, settling: socket.socket) -> None:
        settings = begin.settings
        place = places(settings)
        self._control = control
        open_reader = partial(open_index, settings, writable=False, check_lease=lambda: None)
        self._index = ReopeningIndex(open_reader)
        # Looking for a newer commit takes calls on files, which each store would pay for.
        self._known = ReopeningIndex(partial(open_reader, stale_seconds=KNOWN_SECONDS))
        storage = open_storage(settings)
        self._store = Store(
            storage,
            Journal(place.journal),
            Quarantine(place.quarantine, settings.storage_reserve),
            self._known,
        )
        self._relay = Relay(control)
        room = SharedRoom(board, begin.seat, settings.max_associations)
        self._reception = Reception(
            dimse_config(settings),
            store=self._store,
            find=Find(self._index, RemoteSettle(settling), settings.ae_title),
            retrieve=Retrieve(storage),
            peers=peers(settings),
            observer=Observers(OperationLog(), self._relay),
            room=room,
            ended=room.ended,
        )

    def run(self) -> None:
        """Do what the main process says, until it is gone."""
        send_answer(self._control, Ready())
        while (received := receive_order(self._control)) is not None:
            order, descriptors = received
            match order:
                case Serve(address):
                    self._reception.take(socket.socket(fileno=descriptors[0]), address)
                case Report(number):
                    self._relay.report(number)
                case Stop(seconds):
                    threading.Thread(target=self._end, args=(seconds,), name="end").start()

    def _end(self, seconds: float) -> None:
        try:
            self._reception.shutdown(seconds)
            self._store.close()
            self._index.close()
            self._known.close()
        except PacsError as error:
            logger.warning("A worker did not end in order: %s", error)
        finally:
            self._relay.flush()
            # All is on disk. Nothing that an interpreter still does when it ends may hold us up.
            os._exit(0)


def main() -> None:
    """Be a worker for the process at the other end of the socket whose descriptor is our argument."""
    # A terminal's Ctrl-C goes to us as well: we end when the main process says so.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    control = new_end(int(sys.argv[1]))
    received = receive_order(control)
    if received is None or not isinstance(begin := received[0], Begin):
        sys.exit(_ABANDONED)
    board, settling = received[1]
    logs.configure(begin.settings.log_format, begin.settings.log_level, sys.stderr)
    tune_interpreter()
    configure_libraries()
    try:
        worker = Worker(control, begin, Board(begin.seats, board), new_end(settling))
    except PacsError as error:
        logger.error("A worker cannot start: %s", error)
        sys.exit(_ABANDONED)
    gc.collect()
    gc.freeze()
    worker.run()
    # Operations that run would go on for a main process that is gone, beside the one that comes after it.
    os._exit(_ABANDONED)


def _die_with_parent() -> None:
    """Have the kernel kill us when the thread that started us ends, should we be too busy to notice."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()

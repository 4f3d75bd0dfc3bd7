"""Settle over processes: a worker asks the main process, whose indexer alone knows how far the index is.

One request of a worker is under way at a time and serves all of its threads that asked before it was sent;
who comes later shares the next one.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable

import msgspec

from pacs.errors import IndexUnavailable, LeaseLost, PacsError

logger = logging.getLogger(__name__)

_ASKED = b"?"
_LONGEST_ANSWER = 16 * 1024


class _Settled(msgspec.Struct, frozen=True):
    failure: str = ""
    lease_lost: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Settled).decode


def answer_settling(sock: socket.socket, settle: Callable[[], None]) -> None:
    """Main process: call ``settle`` for a worker until it is gone."""
    with sock:
        while True:
            try:
                if not sock.recv(len(_ASKED)):
                    return
                sock.send(_encode(_outcome(settle)), socket.MSG_NOSIGNAL)
            except OSError:
                return


def _outcome(settle: Callable[[], None]) -> _Settled:
    try:
        settle()
    except PacsError as error:
        return _Settled(str(error)[:1000], isinstance(error, LeaseLost))
    except Exception:
        logger.exception("The index could not be settled")
        return _Settled("The indexer failed; see the log.")
    return _Settled()


class RemoteSettle:
    """Worker: ``settle`` as the main process does it. For many threads."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._changed = threading.Condition()
        self._begun = 0
        self._ended = 0
        self._outcome = _Settled()

    def __call__(self) -> None:
        """Return once all that any process acknowledged can be found. Raises IndexUnavailable, LeaseLost."""
        with self._changed:
            wanted = self._begun + 1  # a request under way may have been answered before we were called
            while self._ended < wanted and self._ended < self._begun:
                self._changed.wait()
            ours = self._ended < wanted
            if ours:
                self._begun += 1
        if ours:
            self._ask()
        outcome = self._outcome
        if outcome.failure:
            raise LeaseLost(outcome.failure) if outcome.lease_lost else IndexUnavailable(outcome.failure)

    def _ask(self) -> None:
        outcome = _Settled("The main process does not answer.")
        try:
            self._socket.send(_ASKED, socket.MSG_NOSIGNAL)
            if data := self._socket.recv(_LONGEST_ANSWER):
                outcome = _decode(data)
        except OSError as error:
            logger.warning("The main process cannot be asked: %s", error.strerror)
        finally:
            with self._changed:
                self._outcome = outcome
                self._ended += 1
                self._changed.notify_all()

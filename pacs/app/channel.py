"""What main process and workers tell each other, as messages over a pair of Unix sockets.

A worker's end of the pair is all that it inherits. The end of the pair is the end of the other process.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from pathlib import Path
from typing import TypeAlias

import msgspec

from pacs.archive.observer import AssociationChange
from pacs.settings import Settings

_LONGEST_MESSAGE = 128 * 1024
"""Below what a Unix socket takes at once; ``BATCH_EVENTS`` keeps messages a good deal shorter."""
BATCH_EVENTS = 256


class Begin(msgspec.Struct, frozen=True, tag=True):
    """To a worker, first of all, with the descriptors of the board and of the settling socket."""

    settings: Settings
    seat: int
    seats: int


class Serve(msgspec.Struct, frozen=True, tag=True):
    """To a worker: a connection of the peer at ``address``, with its descriptor."""

    address: str


class Report(msgspec.Struct, frozen=True, tag=True):
    """To a worker: tell what was done so far, then answer with ``Reported``."""

    number: int


class Stop(msgspec.Struct, frozen=True, tag=True):
    """To a worker: let operations end for ``seconds`` at most, then end. A later one may shorten it."""

    seconds: float


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a worker: it can serve."""


class Finished(msgspec.Struct, frozen=True, array_like=True):
    """An operation as metrics need it; see ``archive/observer.py``."""

    name: str
    status: int
    seconds: float
    size: int
    count: int
    failed: int


class Happened(msgspec.Struct, frozen=True, tag=True):
    """From a worker: what was done since the last one."""

    operations: list[Finished]
    changes: list[AssociationChange]


class Reported(msgspec.Struct, frozen=True, tag=True):
    """From a worker: everything before ``Report`` was told."""

    number: int


Order: TypeAlias = Begin | Serve | Report | Stop
Answer: TypeAlias = Ready | Happened | Reported


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError


def _rich(kind: type, value: object) -> object:
    if issubclass(kind, Path):
        return Path(str(value))
    raise NotImplementedError


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_decode_order = msgspec.msgpack.Decoder(Order, dec_hook=_rich).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


def new_pair() -> tuple[socket.socket, socket.socket]:
    """Connected sockets that keep messages apart."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def new_end(descriptor: int) -> socket.socket:
    """One end of such a pair, inherited or received."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=descriptor)


def send_order(sock: socket.socket, order: Order, descriptors: tuple[int, ...] = ()) -> None:
    """To a worker, without waiting. Raises OSError where it is gone, or does not read."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    sock.sendmsg([_encode(order)], rights, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def receive_order(sock: socket.socket) -> tuple[Order, list[int]] | None:
    """The next order and the descriptors that came with it; None where the main process is gone."""
    descriptors = array.array("i")
    with contextlib.suppress(OSError):
        data, ancillary, _, _ = sock.recvmsg(
            _LONGEST_MESSAGE, socket.CMSG_LEN(4 * descriptors.itemsize), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
        if data:
            return _decode_order(data), list(descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def send_answer(sock: socket.socket, answer: Answer) -> None:
    """To the main process. Raises OSError where that is gone."""
    sock.send(_encode(answer), socket.MSG_NOSIGNAL)


def receive_answer(sock: socket.socket) -> Answer | None:
    """The next answer of a worker; None where that is gone."""
    try:
        data = sock.recv(_LONGEST_MESSAGE)
    except OSError:
        return None
    return _decode_answer(data) if data else None

"""Loopback ports, a service that echoes, and waiting, for the tests of tunnels."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A port that nobody used a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(look: Callable[[], T], seconds: float = 15.0) -> T:
    """What ``look`` gives once it is true; an AssertionError or OSError in it counts as not yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            found = look()
            if found:
                return found
            problem: Exception | None = None
        except (AssertionError, OSError, KeyError, ValueError) as error:
            problem = error
        if time.monotonic() > end:
            raise AssertionError(f"still not after {seconds} s") from problem
        time.sleep(0.02)


class Echo:
    """A TCP service that sends back what comes, and keeps what came; ``with`` closes it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received: list[bytearray] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            kept = bytearray()
            self.received.append(kept)
            threading.Thread(target=self._answer, args=(connection, kept), daemon=True).start()

    def _answer(self, connection: socket.socket, kept: bytearray) -> None:
        try:
            while data := connection.recv(65536):
                kept += data
                connection.sendall(data)
        except OSError:
            pass
        finally:
            connection.close()


def says(port: int, words: bytes = b"hello") -> bool:
    """Whether what listens on ``port`` echoes ``words``."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(words)
        answer = b""
        while len(answer) < len(words):
            data = connection.recv(4096)
            if not data:
                return False
            answer += data
    return answer == words

"""The HTTP server: waitress in a thread of its own, which can be stopped from any other."""

from __future__ import annotations

import socket
import threading

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from pacs.errors import Unavailable

THREADS = 4  # requests at one time; health and metrics are small


class HTTPServer:
    """Serves ``app`` on ``bind`` and ``port`` (0: any free one). Raises Unavailable if it cannot listen."""

    def __init__(self, app: Flask, bind: str, port: int) -> None:
        try:
            family = socket.getaddrinfo(bind, port, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((bind, port), family=family)
        except OSError as error:
            raise Unavailable(
                f"cannot listen for HTTP on {bind} port {port}: {error.strerror};"
                " --bind and --http-port choose another place"
            ) from error
        self._server = create_server(
            app, sockets=[listener], threads=THREADS, ident=None, clear_untrusted_proxy_headers=True
        )
        self._address: tuple[str, int] = listener.getsockname()[:2]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        return self._address

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, after requests in progress."""
        self._stopping.set()
        if self._thread.is_alive():
            self._server.trigger.pull_trigger()
            self._thread.join()
        else:
            self._server.close()

    def _run(self) -> None:
        # waitress's own run() cannot be left from another thread without closing sockets under its select.
        while not self._stopping.is_set():
            wasyncore.loop(timeout=5.0, map=self._server._map, count=1)
        self._server.task_dispatcher.shutdown()
        self._server.close()
        wasyncore.close_all(self._server._map)

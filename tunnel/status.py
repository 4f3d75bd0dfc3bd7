"""The supervisor's own status in HTTP, on loopback: the state as JSON, 200 when all is well and 503 when not.

``/live`` answers 200 as long as the supervisor runs at all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tunnel.errors import TunnelError
from tunnel.settings import Address
from tunnel.state import Document, healthy


class StatusServer:
    """Serves what ``current`` gives, from a thread of its own, until ``close``."""

    def __init__(self, address: Address, current: Callable[[], Document]) -> None:
        if not address.loopback:
            raise TunnelError(f"the supervisor's status is for this machine alone: loopback, not {address}")
        try:
            self._server = _Server((address.host, address.port), current)
        except OSError as error:
            raise TunnelError(f"the status cannot be served on {address}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="status", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], current: Callable[[], Document]) -> None:
        self.current = current
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = 5  # seconds that a client may take

    def do_GET(self) -> None:
        """Answer with the state."""
        if not isinstance(self.server, _Server) or self.path not in ("/", "/live"):
            self.send_error(404)
            return
        content = self.server.current()
        body = json.dumps(content, indent=1).encode() + b"\n"
        self.send_response(200 if self.path == "/live" or healthy(content) else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Health checks are not worth a line each."""

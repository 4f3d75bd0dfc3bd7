"""The real ghostunnel for tests: found, or the test is skipped with a reason (under CI it fails)."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from pacs.dimse.proxy_protocol import missing
from pacs.errors import InvalidInput
from tests.tunnel.network import wait_for
from tunnel.command import command
from tunnel.settings import Tunnel

_ACCEPTED = re.compile(r"(^|[^0-9.])v?1\.11\.[1-9]")


@cache
def _find() -> str | None:
    """On PATH, or where tests/setup-ghostunnel.sh puts it."""
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache_folder / "pacs-appliance" / "ghostunnel-v1.11.1" / "ghostunnel"
    for path in (shutil.which("ghostunnel"), str(built)):
        if path is not None and os.access(path, os.X_OK):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            if _ACCEPTED.search(said.stdout + said.stderr):
                return path
    return None


def ghostunnel() -> str:
    """The path of ghostunnel 1.11.1 or a patch of it."""
    found = _find()
    if found is None:
        pytest.skip("ghostunnel 1.11.1 is not here: run tests/setup-ghostunnel.sh, which says what it needs")
    return found


@contextmanager
def running(tunnel: Tunnel) -> Iterator[subprocess.Popen[bytes]]:
    """The real ghostunnel with exactly that command line, from when its status port answers; then ended."""
    process = subprocess.Popen(command(tunnel, ghostunnel()), env={})
    status = tunnel.process.status

    def ready() -> bool:
        assert process.poll() is None, f"ghostunnel ended with status {process.returncode}"
        socket.create_connection((status.host, status.port), 1).close()
        return True

    try:
        wait_for(ready)
        yield process
    finally:
        process.kill()
        process.wait()


class ProxySink:
    """Reads a PROXY header from each connection, keeps it, and echoes the rest; bare probes may come."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.headers: list[bytes] = []
        self.refused: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> ProxySink:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                header = b""
                while wanted := missing(header):
                    data = connection.recv(wanted)
                    if not data:
                        if header:
                            self.refused.append("it ended within the header")
                        return
                    header += data
                self.headers.append(header)
                while data := connection.recv(65536):
                    connection.sendall(data)
            except InvalidInput as error:
                self.refused.append(str(error))
            except OSError:
                pass

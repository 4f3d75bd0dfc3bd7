"""The servers under measurement, each started in a folder of its own and stopped again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from benchmarks.program import pacs, program
from benchmarks.wire import VERIFICATION, Association, Broken, Rejected

SINK_AE_TITLE = "SINK"
MAX_PDU = 131072
"""Bytes; the largest that DCMTK knows, given to every server and client alike."""

START_SECONDS = 120.0
STOP_SECONDS = 60.0


class Product(StrEnum):
    """What can be measured."""

    OURS = "ours"
    ORTHANC = "orthanc"
    DCMQRSCP = "dcmqrscp"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    product: Product
    ae_title: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def counts(self) -> bool:
        """Whether it answers NumberOfStudyRelatedInstances."""
        return self.product is not Product.DCMQRSCP


def environment() -> dict[str, str]:
    """The environment of every server and client; DCMTK and Orthanc answer in small writes."""
    return {**os.environ, "TCP_NODELAY": "1"}


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(product: Product, folder: Path, sink_port: int = 0) -> Iterator[Server]:
    """Start ``product`` in ``folder`` and wait until it answers C-ECHO; stop it at the end.

    ``sink_port`` is where the move destination ``SINK`` listens on the loopback address.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = _COMMANDS[product](folder, port, sink_port)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            start_new_session=True,
        )
        server = Server(product, "PACS", port, folder, process)
        try:
            _wait_for_echo(server)
            yield server
        finally:
            _stop(process)


def _ours(folder: Path, port: int, sink_port: int) -> list[str]:
    data = folder / "data"
    if sink_port:
        subprocess.run(
            [pacs(), "peer", "add", SINK_AE_TITLE, "127.0.0.1", str(sink_port), "--data", str(data)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return [
        *(pacs(), "serve", "--data", str(data), "--ae-title", "PACS", "--bind", "127.0.0.1"),
        *("--dimse-port", str(port), "--http-port", "0", "--auth", "none"),
    ]


def _orthanc(folder: Path, port: int, sink_port: int) -> list[str]:
    configuration = folder / "orthanc.json"
    settings = {
        "Name": "benchmark",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "HttpServerEnabled": False,
        "DicomAet": "PACS",
        "DicomPort": port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "UnknownSopClassAccepted": True,
        "MaximumPduLength": MAX_PDU,
        "DicomModalities": {"sink": [SINK_AE_TITLE, "127.0.0.1", sink_port or 104]},
    }
    configuration.write_text(json.dumps(settings, indent=1))
    return [program("Orthanc"), str(configuration)]


def _dcmqrscp(folder: Path, port: int, sink_port: int) -> list[str]:
    storage = folder / "storage"
    storage.mkdir(exist_ok=True)
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = {MAX_PDU}\nMaxAssociations = 32\n"
        f"HostTable BEGIN\nsink = ({SINK_AE_TITLE}, 127.0.0.1, {sink_port or 104})\nHostTable END\n"
        "VendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nPACS {storage} RW (500, 1024mb) ANY\nAETable END\n"
    )
    return [program("dcmqrscp"), "-c", str(configuration)]


_COMMANDS = {Product.OURS: _ours, Product.ORTHANC: _orthanc, Product.DCMQRSCP: _dcmqrscp}


def _wait_for_echo(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if server.process.poll() is not None:
            log = (server.folder / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{server.product} ended while it started:\n{log}")
        try:
            with Association("127.0.0.1", server.port, [(VERIFICATION, ["1.2.840.10008.1.2"])]) as assoc:
                assoc.echo()
            return
        except (OSError, Broken, Rejected):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the server; dcmqrscp's children go with it, as the session is signalled."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

"""The real ghostunnel, started with the very command lines of tunnel/command.py, both ways, on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from pacs.dimse.proxy_protocol import read_proxy_header
from tests.tunnel.construct import VECTORS
from tests.tunnel.ghostunnel import ProxySink, ghostunnel, running
from tests.tunnel.network import Echo, free_port, says, wait_for
from tunnel.pki import Issued, KeyKind, Leaf, bundle_with, bundle_without, issue, new_authority
from tunnel.private_file import write_private
from tunnel.settings import Address, Console, Inbound, Names, Outbound, Process

WEST = Leaf(
    "Clinic West", ("west.example.com",), ("spiffe://example.com/west",), organizational_unit="Radiology"
)
ALLOW_WEST = Names(dns=("west.example.com",))
PACS = Leaf("PACS", ("pacs.example.com", "localhost"), ip=(ip_address("127.0.0.1"),))


pytestmark = pytest.mark.ghostunnel


@pytest.fixture(autouse=True)
def _needs_ghostunnel() -> None:
    ghostunnel()


class House:
    """An authority, a PACS and a clinic, with their files in one folder."""

    def __init__(self, folder: Path, kind: KeyKind = KeyKind.EC) -> None:
        self.folder, self.kind = folder, kind
        self.now = datetime.now(UTC)
        self.authority = new_authority("ours", now=self.now, kind=kind)
        self.listen = Address("127.0.0.1", free_port())
        self.write("ca.crt", self.authority.certificate_pem())
        self.issue("pacs.pem", PACS)
        self.issue("west.pem", WEST)

    def write(self, name: str, content: bytes) -> Path:
        write_private(self.folder / name, content, replace=True)
        return self.folder / name

    def issue(
        self, name: str, leaf: Leaf, authority: Issued | None = None, now: datetime | None = None
    ) -> Issued:
        made = issue(authority or self.authority, leaf, now=now or self.now, kind=self.kind)
        self.write(name, made.keystore_pem())
        return made

    def process(
        self, keystore: str, ca: str = "ca.crt", timed_reload: int = 3600, shutdown_timeout: int = 90
    ) -> Process:
        status = Address("127.0.0.1", free_port())
        files = (self.folder / keystore, self.folder / ca)
        return Process(*files, status, timed_reload=timed_reload, shutdown_timeout=shutdown_timeout)

    def inbound_to(
        self, port: int, allow: Names = ALLOW_WEST, timed_reload: int = 3600, shutdown_timeout: int = 90
    ) -> Inbound:
        process = self.process("pacs.pem", "ca.crt", timed_reload, shutdown_timeout)
        return Inbound(process, self.listen, Address("127.0.0.1", port), allow)

    def outbound_from(self, keystore: str) -> Outbound:
        listen = Address("127.0.0.1", free_port())
        return Outbound(self.process(keystore), listen, self.listen, "pacs.example.com")

    @contextmanager
    def inbound(self, allow: Names = ALLOW_WEST) -> Iterator[ProxySink]:
        with ProxySink() as sink, running(self.inbound_to(sink.port, allow)):
            yield sink

    @contextmanager
    def outbound(self, keystore: str = "west.pem", **changes: Any) -> Iterator[int]:
        tunnel = replace(self.outbound_from(keystore), **changes)
        with running(tunnel):
            yield tunnel.listen.port

    def serial(self) -> int:
        """The serial number of the certificate that new connections to the PACS meet."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        context.load_cert_chain(self.folder / "west.pem")
        with (
            socket.create_connection(("127.0.0.1", self.listen.port), 5) as connection,
            context.wrap_socket(connection, server_hostname="pacs.example.com") as tls,
        ):
            certificate: dict[str, Any] = tls.getpeercert() or {}
            return int(certificate["serialNumber"], 16)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def refused(port: int) -> bool:
    """Whether nothing comes back through the tunnel on ``port``."""
    try:
        return not says(port)
    except OSError:
        return True


def answers(context: ssl.SSLContext, connection: socket.socket) -> bool:
    """Whether TLS over ``connection`` is made and brings something back."""
    try:
        with context.wrap_socket(connection, server_hostname="pacs.example.com") as tls:
            tls.sendall(b"hello")
            return bool(tls.recv(5))
    except OSError:
        return False


def types(header: bytes) -> list[int]:
    """The types of the header's values, those within TLS after it."""
    found, place, stop = [], 28, len(header)
    while place < stop:
        found.append(header[place])
        length = int.from_bytes(header[place + 1 : place + 3], "big")
        place += 3 + (5 if header[place] == 0x20 else length)
    return found


@pytest.mark.parametrize("kind", list(KeyKind))
def test_right_certificate_passes_and_is_named_to_the_pacs(tmp_path: Path, kind: KeyKind) -> None:
    house = House(tmp_path, kind)
    with house.inbound() as sink, house.outbound() as port:
        assert says(port, b"hello" * 10_000)
        header = read_proxy_header(sink.headers[0])
    assert header is not None
    assert header.identity is not None
    assert header.identity.dns == WEST.dns
    assert header.identity.uri == WEST.uri
    assert header.identity.organizational_units == ("Radiology",)
    assert header.authority == "pacs.example.com"
    assert header.tls is not None
    assert (header.tls.version, header.tls.common_name) == ("TLS 1.3", "Clinic West")
    assert header.destination is not None
    assert header.destination.port == house.listen.port
    assert types(sink.headers[0]) == types((VECTORS / f"constructed-{kind.value}.bin").read_bytes())
    assert not sink.refused


@pytest.mark.parametrize(
    "allow",
    [
        Names(common_name=("Clinic West",)),
        Names(organizational_unit=("Radiology",)),
        Names(uri=("spiffe://example.com/west",)),
        Names(uri=("spiffe://example.com/*",)),
        Names(dns=("east.example.com", "west.example.com")),
    ],
)
def test_any_one_of_the_allowed_names_passes(house: House, allow: Names) -> None:
    with house.inbound(allow), house.outbound() as port:
        assert says(port)


@pytest.mark.parametrize(
    "allow",
    [
        Names(dns=("east.example.com",)),
        Names(dns=("example.com",)),
        Names(common_name=("Clinic",)),
        Names(organizational_unit=("radiology",)),
        Names(uri=("spiffe://example.com/east",)),
    ],
)
def test_name_not_on_the_list_is_refused(house: House, allow: Names) -> None:
    with house.inbound(allow) as sink, house.outbound() as port:
        assert refused(port)
        assert not sink.headers


def test_certificate_of_another_authority_is_refused(house: House) -> None:
    house.issue("west.pem", WEST, authority=new_authority("other", now=house.now))
    with house.inbound() as sink, house.outbound() as port:
        assert refused(port)
        assert not sink.headers


def test_expired_certificate_is_refused(house: House) -> None:
    house.issue("west.pem", WEST, now=house.now - timedelta(days=91))
    with house.inbound() as sink, house.outbound() as port:
        assert refused(port)
        assert not sink.headers


def test_connection_without_certificate_or_without_tls_is_refused(house: House) -> None:
    with house.inbound() as sink:
        assert refused(house.listen.port)
        context = ssl.create_default_context(cafile=str(house.folder / "ca.crt"))
        with socket.create_connection(("127.0.0.1", house.listen.port), 5) as connection:
            assert not answers(context, connection)
        assert not sink.headers


def test_outbound_tunnel_refuses_a_server_that_is_not_the_one_named(house: House) -> None:
    with house.inbound():
        for wrong in ({"server_name": "other.example.com"}, {"verify": Names(common_name=("Other",))}):
            with house.outbound(**wrong) as port:
                assert refused(port)
        house.write("ca2.crt", new_authority("other", now=house.now).certificate_pem())
        with house.outbound(process=house.process("west.pem", "ca2.crt")) as port:
            assert refused(port)


def test_console_asks_for_no_certificate_and_sends_no_header(house: House) -> None:
    with Echo() as echo:
        tunnel = Console(house.process("pacs.pem"), house.listen, Address("127.0.0.1", echo.port))
        with running(tunnel):
            context = ssl.create_default_context(cafile=str(house.folder / "ca.crt"))
            with (
                socket.create_connection(("127.0.0.1", house.listen.port), 5) as connection,
                context.wrap_socket(connection, server_hostname="localhost") as tls,
            ):
                tls.sendall(b"GET /")
                assert tls.recv(5) == b"GET /"
            assert echo.received[-1] == b"GET /"


def status(tunnel: Inbound | Outbound) -> int:
    try:
        with urllib.request.urlopen(f"http://{tunnel.process.status}/_status", timeout=15) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_status_is_healthy_only_while_the_pacs_is(house: House) -> None:
    with ProxySink() as sink:
        tunnel = house.inbound_to(sink.port)
        with running(tunnel):
            wait_for(lambda: status(tunnel) == 200)
            assert not sink.refused
            sink.__exit__()
            wait_for(lambda: status(tunnel) == 503)


@pytest.mark.parametrize("timed", [False, True])
def test_new_leaf_is_taken_up_without_restart(house: House, timed: bool) -> None:
    with (
        ProxySink() as sink,
        running(house.inbound_to(sink.port, timed_reload=1 if timed else 3600)) as process,
    ):
        before = house.serial()
        new = house.issue("pacs.pem", PACS)
        assert new.certificate.serial_number != before
        if not timed:
            process.send_signal(signal.SIGHUP)
        wait_for(lambda: house.serial() == new.certificate.serial_number)


def test_rotation_cuts_no_open_connection_and_refuses_none_that_should_pass(house: House) -> None:
    """New authority added, leaves swapped, old authority removed; the old leaf is refused only after that."""
    new = new_authority("new", now=house.now)
    with ProxySink() as sink:
        west = house.outbound_from("west.pem")
        with running(house.inbound_to(sink.port)) as server, running(west) as client:
            kept = socket.create_connection(("127.0.0.1", west.listen.port), 5)

            def both_work(step: str) -> None:
                for process in (server, client):
                    process.send_signal(signal.SIGHUP)
                time.sleep(0.5)  # ghostunnel does not tell when it has reloaded
                for _ in range(20):
                    assert says(west.listen.port), step
                kept.sendall(step.encode())
                assert kept.recv(100) == step.encode()

            old_pem = (house.folder / "west.pem").read_bytes()
            both_work("before")
            bundle = bundle_with((house.folder / "ca.crt").read_bytes(), new.certificate_pem())
            house.write("ca.crt", bundle)
            both_work("both authorities are trusted")
            swapped = house.issue("pacs.pem", PACS, authority=new)
            both_work("the PACS has its new leaf")
            assert house.serial() == swapped.certificate.serial_number
            house.issue("west.pem", WEST, authority=new)
            both_work("the clinic has its new leaf")
            house.write("ca.crt", bundle_without(bundle, house.authority.certificate_pem()))
            both_work("the old authority is gone")
            house.write("old.pem", old_pem)
            with house.outbound("old.pem") as port:
                wait_for(lambda: refused(port))
            kept.close()


def test_sigterm_lets_connections_end_and_then_ends(house: House) -> None:
    with ProxySink() as sink:
        tunnel = house.inbound_to(sink.port)
        with running(tunnel) as process, house.outbound() as port:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"a")
                assert connection.recv(1) == b"a"
                process.terminate()
                wait_for(lambda: refused(port))
                connection.sendall(b"b")
                assert connection.recv(1) == b"b"
                assert process.poll() is None
            assert process.wait(10) == 0


def test_sigterm_ends_at_the_limit_though_a_connection_stays(house: House) -> None:
    with (
        ProxySink() as sink,
        running(house.inbound_to(sink.port, shutdown_timeout=1)) as process,
        house.outbound() as port,
        socket.create_connection(("127.0.0.1", port), 5) as connection,
    ):
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        process.terminate()
        assert process.wait(5) == 1


def test_supervisor_restarts_a_killed_tunnel(house: House) -> None:
    peers, state = house.folder / "peers.json", house.folder / "state.json"
    tls = {"server_name": "pacs.example.com", "verify": {"dns": ["pacs.example.com"]}}
    row = {"ae_title": "PACS", "host": "127.0.0.1", "port": house.listen.port, "tls": tls}
    peers.write_text(json.dumps({"version": 1, "peers": [row]}))
    words = [sys.executable, "-m", "tunnel", "supervise", f"--program={ghostunnel()}", f"--peers={peers}"]
    words += [
        f"--state={state}",
        f"--keystore={house.folder / 'west.pem'}",
        f"--ca={house.folder / 'ca.crt'}",
    ]

    def look() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(state.read_text())["tunnels"]["outbound:PACS"]
        assert found["state"] == "running"
        return found

    with house.inbound():
        process = subprocess.Popen(words)
        try:
            before = wait_for(look)
            port = int(before["listen"].rpartition(":")[2])
            assert says(port)
            os.kill(before["pid"], signal.SIGKILL)
            after = wait_for(lambda: (found := look())["pid"] != before["pid"] and found)
            assert after["listen"] == before["listen"]
            assert says(port)
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()

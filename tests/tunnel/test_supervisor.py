"""The supervisor: what it starts, watches, restarts and ends. The processes are stand-ins for ghostunnel."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.tunnel import stand_in
from tests.tunnel.network import Echo, free_port, says, wait_for

Start = Callable[..., subprocess.Popen[bytes]]


class Site:
    """A folder with a peer registry and a state file, and a supervisor that runs on them."""

    def __init__(self, folder: Path) -> None:
        self.peers, self.state = folder / "peers.json", folder / "run" / "state.json"
        self.program = folder / "ghostunnel"
        self.program.write_text(f"#!{sys.executable}\n" + Path(stand_in.__file__).read_text())
        self.program.chmod(0o700)
        self.status = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    def write_peers(self, *rows: dict[str, Any]) -> None:
        draft = self.peers.with_suffix(".new")
        draft.write_text(json.dumps({"version": 1, "peers": rows}))
        draft.replace(self.peers)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "tunnel", "supervise", "--keystore=k.pem", "--ca=ca.crt"]
        words += [f"--state={self.state}", f"--program={self.program}", f"--status=127.0.0.1:{self.status}"]
        process = subprocess.Popen([*words, f"--peers={self.peers}", *options])
        self.processes.append(process)
        return process

    def document(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.state.read_text())
        return content

    def tunnel(self, name: str, state: str = "running") -> dict[str, Any]:
        """The tunnel of that name, once it is in that state."""

        def look() -> dict[str, Any]:
            found: dict[str, Any] = self.document()["tunnels"][name]
            assert found["state"] == state
            return found

        return wait_for(look)

    def http(self, path: str = "/") -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.status}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.wait()


def peer(ae_title: str, port: int, **tls: object) -> dict[str, Any]:
    return {
        "ae_title": ae_title,
        "host": "127.0.0.1",
        "port": port,
        "tls": {"server_name": "localhost", **tls},
    }


def port_of(tunnel: dict[str, Any]) -> int:
    return int(tunnel["listen"].rpartition(":")[2])


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        return Path(f"/proc/{pid}/stat").exists() and ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def test_each_tls_peer_has_a_tunnel_and_plain_peers_have_none(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port), {"ae_title": "PLAIN", "host": "127.0.0.1", "port": 104})
        site.start()
        found = site.tunnel("outbound:STORE")
        assert (found["kind"], found["ae_title"]) == ("outbound", "STORE")
        assert found["target"] == f"127.0.0.1:{echo.port}"
        assert says(port_of(found))
        assert list(site.document()["tunnels"]) == ["outbound:STORE"]
        wait_for(lambda: site.http() == 200)


def test_killed_tunnel_is_started_again_on_its_port(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        site.start()
        before = site.tunnel("outbound:STORE")
        os.kill(before["pid"], signal.SIGKILL)
        after = wait_for(lambda: (t := site.tunnel("outbound:STORE"))["pid"] != before["pid"] and t)
        assert after["restarts"] == 1
        assert after["listen"] == before["listen"]
        assert says(port_of(after))


def test_tunnel_that_cannot_start_is_tried_again_and_its_reason_shown(site: Site) -> None:
    site.write_peers(peer("STORE", 104))
    site.program.write_text("#!/bin/sh\nexit 3\n")
    site.start()
    wait_for(lambda: site.document()["tunnels"]["outbound:STORE"]["restarts"] >= 2)
    assert "status 3" in site.tunnel("outbound:STORE", "waiting")["reason"]
    assert site.http() == 503
    assert site.http("/live") == 200
    assert site.http("/other") == 404


def test_added_changed_and_removed_peers_are_followed_without_restart(site: Site) -> None:
    with Echo() as echo, Echo() as other:
        site.write_peers(peer("ONE", echo.port))
        site.start()
        one = site.tunnel("outbound:ONE")
        site.write_peers(peer("ONE", echo.port), peer("TWO", echo.port))
        two = site.tunnel("outbound:TWO")
        assert site.tunnel("outbound:ONE")["pid"] == one["pid"]
        site.write_peers(peer("TWO", other.port))
        changed = wait_for(lambda: (t := site.tunnel("outbound:TWO"))["pid"] != two["pid"] and t)
        assert changed["listen"] == two["listen"]
        wait_for(lambda: says(port_of(changed)) and other.received)
        assert "outbound:ONE" not in site.document()["tunnels"]
        wait_for(lambda: not alive(one["pid"]))


def test_open_connection_outlives_a_change_of_its_peer(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        site.start()
        before = site.tunnel("outbound:STORE")
        with socket.create_connection(("127.0.0.1", port_of(before))) as connection:
            connection.sendall(b"a")
            assert connection.recv(1) == b"a"
            site.write_peers(peer("STORE", echo.port, server_name="other"))
            wait_for(lambda: site.tunnel("outbound:STORE")["pid"] != before["pid"])
            connection.sendall(b"b")
            assert connection.recv(1) == b"b"
        wait_for(lambda: not alive(before["pid"]))


def test_registry_without_sense_changes_nothing_and_is_told(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        site.start()
        found = site.tunnel("outbound:STORE")
        site.peers.write_text("{")
        wait_for(lambda: site.document()["problem"])
        wait_for(lambda: site.http() == 503)
        assert site.tunnel("outbound:STORE")["pid"] == found["pid"]
        site.write_peers(peer("STORE", echo.port), peer("BAD", 0))
        wait_for(lambda: "BAD" in site.document()["refused"])
        assert site.document()["problem"] == ""


def test_sigterm_ends_every_process_and_says_so(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        process = site.start()
        found = site.tunnel("outbound:STORE")
        process.terminate()
        assert process.wait(10) == 0
        assert not alive(found["pid"])
        assert site.document()["tunnels"]["outbound:STORE"]["state"] == "stopped"


def test_sigterm_ends_within_the_limit_though_a_connection_stays_open(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        process = site.start("--shutdown-timeout=1", "--stop-timeout=3")
        found = site.tunnel("outbound:STORE")
        with socket.create_connection(("127.0.0.1", port_of(found))) as connection:
            connection.sendall(b"a")
            assert connection.recv(1) == b"a"
            process.terminate()
            assert process.wait(3) == 0
        assert not alive(found["pid"])


def test_tunnels_die_with_a_supervisor_that_is_killed(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        process = site.start()
        found = site.tunnel("outbound:STORE")
        process.kill()
        wait_for(lambda: not alive(found["pid"]))


def test_next_supervisor_gives_out_the_same_ports(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port), peer("DECLARED", echo.port, local_port=free_port()))
        first = site.start()
        before = [site.tunnel(f"outbound:{name}")["listen"] for name in ("STORE", "DECLARED")]
        first.terminate()
        first.wait(10)
        site.start()
        after = wait_for(
            lambda: [site.tunnel(f"outbound:{name}")["listen"] for name in ("STORE", "DECLARED")]
        )
        assert after == before


def test_sighup_reaches_every_tunnel(site: Site) -> None:
    with Echo() as echo:
        site.write_peers(peer("STORE", echo.port))
        process = site.start()
        found = site.tunnel("outbound:STORE")
        process.send_signal(signal.SIGHUP)

        def reloaded() -> bool:
            with urllib.request.urlopen(found["status"], timeout=5) as answer:
                return bool(answer.read() == b"reloads=1")

        assert wait_for(reloaded)


def test_inbound_and_console_tunnels_run_beside(site: Site) -> None:
    ports = [free_port() for _ in range(4)]
    with Echo() as echo:
        site.start(
            f"--inbound=127.0.0.1:{ports[0]}", f"--inbound-target=127.0.0.1:{echo.port}",
            f"--inbound-status=127.0.0.1:{ports[1]}", "--allow-dns=west.example.com",
            f"--console=127.0.0.1:{ports[2]}", f"--console-target=127.0.0.1:{echo.port}",
            f"--console-status=127.0.0.1:{ports[3]}",
        )  # fmt: skip
        assert says(port_of(site.tunnel("inbound")))
        assert says(port_of(site.tunnel("console")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing to run"),
        (("--program=/nowhere",), "not on PATH"),
        (("--inbound=0.0.0.0:2762",), "--inbound-target"),
        (("--inbound=0.0.0.0:2762", "--inbound-target=127.0.0.1:1"), "at least one"),
        (("--console=0.0.0.0:8443",), "--console-target"),
        (("--inbound=2762",), "host:port"),
        (("--peers=p.json", "--shutdown-timeout=120"), "less than stop_timeout"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_words(
    site: Site, options: tuple[str, ...], words: str
) -> None:
    base = ["--keystore=k.pem", "--ca=ca.crt", f"--state={site.state}", f"--program={site.program}"]
    done = subprocess.run(
        [sys.executable, "-m", "tunnel", "supervise", *base, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_show_prints_the_command_lines_and_runs_nothing(site: Site) -> None:
    site.write_peers(peer("STORE", 2762))
    base = ["--keystore=k.pem", "--ca=ca.crt", f"--state={site.state}", f"--program={site.program}", "--show"]
    done = subprocess.run(
        [sys.executable, "-m", "tunnel", "supervise", *base, f"--peers={site.peers}"],
        capture_output=True, check=True,
    )  # fmt: skip
    lines = json.loads(done.stdout)
    assert lines["outbound:STORE"][:2] == [str(site.program), "client"]
    assert not site.state.exists()

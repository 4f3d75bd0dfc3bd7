"""Which tunnels a peer registry asks for, and on which ports."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.backoff import Backoff
from tunnel.errors import TunnelError
from tunnel.peer import TLSPeer, TLSPeers, read_peers
from tunnel.plan import plan
from tunnel.port import assign_ports
from tunnel.settings import Address, Console, Names, Outbound, Process

TEMPLATE = Process(PurePosixPath("k.pem"), PurePosixPath("ca.crt"), Address("127.0.0.1", 1))
PORTS = range(17700, 17720)
THERE = Address("store.example.com", 2762)


def registry(folder: Path, *rows: object) -> Path:
    path = folder / "peers.json"
    path.write_text(json.dumps({"version": 1, "peers": rows}))
    return path


def row(**changes: Any) -> dict[str, Any]:
    return {"ae_title": "STORE", "host": "store.example.com", "port": 2762, **changes}


def test_peers_with_tls_are_read_and_others_passed_over(tmp_path: Path) -> None:
    path = registry(
        tmp_path,
        row(ae_title="PLAIN"),
        row(ae_title="OFF", tls=False),
        row(ae_title="SHORT", tls=True),
        row(tls={"server_name": "s", "verify": {"dns": ["s"]}, "local_port": 17700}, permissions=["store"]),
    )
    assert read_peers(path) == TLSPeers(
        (TLSPeer("SHORT", THERE), TLSPeer("STORE", THERE, "s", Names(dns=("s",)), 17700)), {}
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "yes"},
        {"tls": {"server_name": 1}},
        {"tls": {"local_port": "17700"}},
        {"tls": {"local_port": 0}},
        {"tls": {"verify": []}},
        {"tls": {"verify": {"cn": ["a"]}}},
        {"tls": {"verify": {"dns": "a"}}},
        {"tls": {"verify": {"dns": ["*.a"]}}},
        {"tls": True, "port": "2762"},
        {"tls": True, "port": 0},
        {"tls": True, "host": "-x"},
        {"tls": True, "ae_title": ""},
    ],
)
def test_peer_without_sense_is_refused_and_the_others_are_served(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = read_peers(registry(tmp_path, row(**changes), row(ae_title="GOOD", tls=True)))
    assert [peer.ae_title for peer in found.peers] == ["GOOD"]
    assert len(found.refused) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"peers": {}}', "\ufeff"])
def test_file_that_is_no_registry_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "peers.json").write_text(text)
    with pytest.raises(TunnelError, match="no peer registry"):
        read_peers(tmp_path / "peers.json")


def test_registry_that_is_not_there_holds_no_peers(tmp_path: Path) -> None:
    assert read_peers(tmp_path / "peers.json") == TLSPeers((), {})


def test_plan_joins_fixed_tunnels_and_one_for_each_peer() -> None:
    console = Console(TEMPLATE, Address("0.0.0.0", 8443), Address("127.0.0.1", 8080))
    made = plan({"console": console}, TLSPeers((TLSPeer("STORE", THERE, "s"),), {}), TEMPLATE, PORTS, {})
    assert made.tunnels["console"] is console
    outbound = made.tunnels["outbound:STORE"]
    assert isinstance(outbound, Outbound)
    assert (outbound.target, outbound.server_name) == (THERE, "s")
    assert outbound.listen.port != outbound.process.status.port
    assert {outbound.listen.port, outbound.process.status.port} <= set(PORTS)
    assert made.ae_titles == {"outbound:STORE": "STORE"}


def test_declared_ports_are_kept_and_clashes_refused() -> None:
    peers = (
        TLSPeer("A", THERE, local_port=17700),
        TLSPeer("B", THERE, local_port=17700),
        TLSPeer("C", THERE, "a b"),
    )
    made = plan({}, TLSPeers(peers, {}), TEMPLATE, PORTS, {})
    assert made.tunnels["outbound:A"].listen.port == 17700
    assert set(made.tunnels) == {"outbound:A"}
    assert set(made.refused) == {"B", "C"}


def test_range_that_is_too_small_is_refused() -> None:
    with pytest.raises(TunnelError, match="too few"):
        plan({}, TLSPeers((TLSPeer("A", THERE),), {}), TEMPLATE, range(17700, 17701), {})


@given(st.sets(st.text(min_size=1), max_size=10), st.sets(st.text(min_size=1), max_size=10))
def test_ports_differ_and_stay(before: set[str], after: set[str]) -> None:
    first = assign_ports(before, PORTS, {})
    assert len(set(first.values())) == len(before)
    second = assign_ports(before | after, PORTS, first, taken=())
    assert {name: second[name] for name in before} == first
    assert len(set(second.values())) == len(before | after)
    assert assign_ports(before, PORTS, {}) == first


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_is_never_longer_than_its_longest(failures: int, chance: float) -> None:
    backoff = Backoff(first=0.5, longest=30)
    delay = backoff.delay(failures, lambda: chance)
    assert 0.25 <= delay <= 30
    assert delay <= backoff.delay(failures + 1, lambda: 1)

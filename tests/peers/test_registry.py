from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from pacs.errors import InvalidAETitle, InvalidInput, Unavailable, UnknownPeer
from pacs.peers.peer import Peer
from pacs.peers.registry import PeerRegistry

STORE = Peer("STORESCP", "127.0.0.1", 11113)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "peers.json"


def test_a_registry_without_a_file_has_no_peers(path: Path) -> None:
    assert PeerRegistry(path).all() == ()
    with pytest.raises(UnknownPeer, match="'STORESCP'"):
        PeerRegistry(path).get("STORESCP")


def test_an_added_peer_is_found_by_other_registries_at_once(path: Path) -> None:
    running = PeerRegistry(path)
    with pytest.raises(UnknownPeer):
        running.get("STORESCP")
    assert PeerRegistry(path).add(STORE) is None
    assert running.get("STORESCP") == STORE
    PeerRegistry(path).remove("STORESCP")
    with pytest.raises(UnknownPeer):
        running.get("STORESCP")


def test_adding_a_known_title_replaces_the_peer_and_returns_it(path: Path) -> None:
    registry = PeerRegistry(path)
    registry.add(STORE)
    moved = Peer("STORESCP", "pacs.example", 104)
    assert registry.add(moved) == STORE
    assert registry.all() == (moved,)


def test_removing_an_unknown_peer_is_refused(path: Path) -> None:
    with pytest.raises(UnknownPeer):
        PeerRegistry(path).remove("NOBODY")


def test_edits_at_the_same_time_all_count(path: Path) -> None:
    def add(number: int) -> None:
        PeerRegistry(path).add(Peer(f"PEER{number}", "127.0.0.1", 1000 + number))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(PeerRegistry(path).all()) == 12


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 1}',
        '{"version": 2, "peers": []}',
        '{"version": 1, "peers": [], "more": 1}',
        '{"version": 1, "peers": [{"ae_title": "A", "host": "h", "port": 104, "key": "later"}]}',
        '{"version": 1, "peers": [{"ae_title": "A", "host": "h", "port": true}]}',
        '{"version": 1, "peers": [{"ae_title": "A\\\\B", "host": "h", "port": 104}]}',
    ],
)
def test_a_file_that_is_not_understood_whole_is_refused_and_left_alone(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(Unavailable, match=r"peers\.json"):
        PeerRegistry(path).all()
    with pytest.raises(Unavailable):
        PeerRegistry(path).add(STORE)
    assert path.read_text() == text


def test_the_file_is_json_that_people_can_read(path: Path) -> None:
    PeerRegistry(path).add(STORE)
    assert json.loads(path.read_text()) == {
        "version": 1,
        "peers": [{"ae_title": "STORESCP", "host": "127.0.0.1", "port": 11113}],
    }


@pytest.mark.parametrize("title", ["", "A" * 17, "A\\B", "Ä"])
def test_a_peer_needs_an_ae_title(title: str) -> None:
    with pytest.raises(InvalidAETitle):
        Peer(title, "localhost", 104)


@pytest.mark.parametrize(("host", "port"), [("", 104), ("a b", 104), ("h/x", 104), ("h", 0), ("h", 65536)])
def test_a_peer_needs_a_host_and_a_port(host: str, port: int) -> None:
    with pytest.raises(InvalidInput, match="peer A"):
        Peer("A", host, port)

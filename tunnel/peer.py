"""The peers that are reached through TLS, read from the peer registry's file.

The file is the appliance's, ``<data>/peers.json``: ``{"version": 1, "peers": [{ae_title, host, port}]}``.
A peer with a ``tls`` object is reached through a tunnel of its own; all of its members may be left out::

    "tls": {"server_name": "storage.example.com",
            "verify": {"dns": [], "common_name": [], "organizational_unit": [], "uri": []},
            "local_port": 17700}

Members unknown here are the appliance's own business and are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tunnel.errors import TunnelError
from tunnel.private_file import read_file
from tunnel.settings import Address, Names


@dataclass(frozen=True, slots=True)
class TLSPeer:
    """A move destination behind TLS; ``local_port`` is its tunnel's loopback port where one is declared."""

    ae_title: str
    target: Address
    server_name: str | None = None
    verify: Names = field(default_factory=Names)
    local_port: int | None = None


@dataclass(frozen=True, slots=True)
class TLSPeers:
    """The peers that can be served, and for others by AE title why not."""

    peers: tuple[TLSPeer, ...]
    refused: Mapping[str, str]


def read_peers(path: Path) -> TLSPeers:
    """The TLS peers of the file, by AE title; none where there is no file. Raises TunnelError for bad JSON.

    One peer that cannot be understood does not keep the others from being served.
    """
    if not path.exists():
        return TLSPeers((), {})
    try:
        content = json.loads(read_file(path))
        rows = content["peers"]
    except (ValueError, KeyError, TypeError):
        rows = None
    if not isinstance(rows, list):
        raise TunnelError(f'{path} is no peer registry: a JSON object with a list of "peers" is wanted')
    peers: dict[str, TLSPeer] = {}
    refused: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or row.get("tls") in (None, False):
            continue
        ae_title = row.get("ae_title")
        if not isinstance(ae_title, str) or not ae_title:
            refused[f"#{number}"] = "it has no ae_title"
            continue
        try:
            peers[ae_title] = _peer(ae_title, row)
        except TunnelError as error:
            refused[ae_title] = str(error)
    return TLSPeers(tuple(peer for _, peer in sorted(peers.items())), refused)


def _peer(ae_title: str, row: Mapping[str, object]) -> TLSPeer:
    tls = {} if row["tls"] is True else _object(row["tls"], "tls")
    host, port = row.get("host"), row.get("port")
    if not isinstance(host, str) or type(port) is not int:
        raise TunnelError("host is a text and port a number")
    server_name, local_port = tls.get("server_name"), tls.get("local_port")
    if server_name is not None and not isinstance(server_name, str):
        raise TunnelError("tls.server_name is a text")
    if local_port is not None and (type(local_port) is not int or not 1 <= local_port <= 65535):
        raise TunnelError("tls.local_port is a number from 1 to 65535")
    return TLSPeer(ae_title, Address(host, port), server_name, _names(tls.get("verify")), local_port)


def _names(value: object) -> Names:
    verify = {} if value is None else _object(value, "tls.verify")
    kinds = {"dns", "common_name", "organizational_unit", "uri"}
    if unknown := sorted(set(verify) - kinds):
        raise TunnelError(f"tls.verify knows {', '.join(sorted(kinds))}, not {unknown[0]!r}")
    return Names(**{kind: _texts(verify[kind], kind) for kind in verify})


def _texts(value: object, kind: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TunnelError(f"tls.verify.{kind} is a list of texts")
    return tuple(value)


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TunnelError(f"{name} is an object")
    return value

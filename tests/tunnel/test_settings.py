"""What tunnels may be told, and what is refused before any process starts."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunnel.errors import TunnelError
from tunnel.settings import Address, Console, Inbound, Names, Outbound, Process

HERE = Address("127.0.0.1", 11113)
ANYWHERE = Address("0.0.0.0", 2762)


def process(**changes: object) -> Process:
    files = {"keystore": PurePosixPath("/keys/pacs.pem"), "ca": PurePosixPath("/keys/ca.crt")}
    return Process(**{**files, "status": Address("127.0.0.1", 17691), **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["127.0.0.1:2762", "[::1]:2762", "pacs.example.com:443"])
def test_address_is_written_as_it_was_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "2762", "host", "host:", ":2762", "::1:2762", "host:0", "host:65536", "a b:1"]
)
def test_text_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(TunnelError):
        Address.parse(text)


@given(st.text(max_size=20))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address.parse(text)
    except TunnelError:
        return
    assert 1 <= address.port <= 65535
    assert not address.host.startswith("-")


@pytest.mark.parametrize(
    "changes",
    [
        {"shutdown_timeout": 120},
        {"shutdown_timeout": 0},
        {"timed_reload": 0},
        {"connect_timeout": 0},
        {"close_timeout": -1},
        {"max_connections": -1},
        {"ciphers": ("RC4",)},
        {"ca": PurePosixPath("/keys/pacs.pem")},
    ],
)
def test_process_that_cannot_work_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TunnelError):
        process(**changes)


def test_tunnel_that_would_be_killed_before_its_connections_end_is_refused_in_words() -> None:
    with pytest.raises(TunnelError, match="must be less than stop_timeout"):
        process(shutdown_timeout=300)


@pytest.mark.parametrize(
    "names",
    [
        {"dns": ("*.example.com",)},
        {"dns": ("",)},
        {"dns": ("-a.example.com",)},
        {"common_name": ("",)},
        {"common_name": ("a\nb",)},
        {"uri": ("**",)},
        {"uri": ("spiffe://*",)},
        {"uri": ("spiffe://**/x",)},
        {"uri": ("*://example.com/x",)},
    ],
)
def test_names_that_let_in_anybody_or_nobody_are_refused(names: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(TunnelError):
        Names(**names)


def test_inbound_tunnel_names_who_may_connect() -> None:
    with pytest.raises(TunnelError, match="at least one"):
        Inbound(process(), ANYWHERE, HERE)


def test_allowing_all_excludes_names() -> None:
    with pytest.raises(TunnelError, match="unsafe_allow_all"):
        Inbound(process(), ANYWHERE, HERE, Names(dns=("a.example.com",)), unsafe_allow_all=True)


def test_plaintext_stays_on_loopback() -> None:
    with pytest.raises(TunnelError, match="loopback"):
        Inbound(process(), ANYWHERE, Address("10.0.0.1", 104), Names(dns=("a.example.com",)))
    with pytest.raises(TunnelError, match="loopback"):
        Console(process(), ANYWHERE, Address("10.0.0.1", 8080))
    with pytest.raises(TunnelError, match="loopback"):
        Outbound(process(), ANYWHERE, Address("store.example.com", 2762))
    with pytest.raises(TunnelError, match="loopback"):
        Console(process(), ANYWHERE, HERE, target_status="http://10.0.0.1/health/ready")


def test_server_name_that_is_none_is_refused() -> None:
    with pytest.raises(TunnelError, match="no host name"):
        Outbound(process(), HERE, Address("10.0.0.1", 2762), server_name="a b")

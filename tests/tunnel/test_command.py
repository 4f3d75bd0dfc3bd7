"""The command lines, word for word: the deployment runs exactly these."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from tunnel.command import command
from tunnel.settings import Address, Console, Inbound, Names, Outbound, Process

PROCESS = Process(PurePosixPath("/keys/pacs.pem"), PurePosixPath("/keys/ca.crt"), Address("127.0.0.1", 17691))
OF_EVERY = (
    "--keystore=/keys/pacs.pem",
    "--cacert=/keys/ca.crt",
    "--status=http://127.0.0.1:17691",
    "--timed-reload=60s",
    "--shutdown-timeout=90s",
    "--connect-timeout=10s",
    "--close-timeout=60s",
)


def test_inbound_command_hands_the_certificate_on_and_admits_the_named() -> None:
    allow = Names(("west.example.com",), ("Clinic West",), ("Radiology",), ("spiffe://example.com/west/*",))
    tunnel = Inbound(
        PROCESS,
        Address("0.0.0.0", 2762),
        Address("127.0.0.1", 11113),
        allow,
        target_status="http://127.0.0.1:8080/health/ready",
    )
    assert command(tunnel) == (
        "ghostunnel",
        "server",
        "--listen=0.0.0.0:2762",
        "--target=127.0.0.1:11113",
        "--proxy-protocol-mode=tls-full",
        "--target-status=http://127.0.0.1:8080/health/ready",
        "--allow-dns=west.example.com",
        "--allow-cn=Clinic West",
        "--allow-ou=Radiology",
        "--allow-uri=spiffe://example.com/west/*",
        *OF_EVERY,
    )


def test_allow_all_stands_alone_and_only_when_asked_for() -> None:
    tunnel = Inbound(PROCESS, Address("::", 2762), Address("::1", 11113), unsafe_allow_all=True)
    assert command(tunnel, "/usr/bin/ghostunnel") == (
        "/usr/bin/ghostunnel",
        "server",
        "--listen=[::]:2762",
        "--target=[::1]:11113",
        "--proxy-protocol-mode=tls-full",
        "--allow-all",
        *OF_EVERY,
    )


def test_console_command_asks_for_no_certificate_and_sends_no_header() -> None:
    tunnel = Console(PROCESS, Address("0.0.0.0", 8443), Address("127.0.0.1", 8080))
    assert command(tunnel) == (
        "ghostunnel",
        "server",
        "--listen=0.0.0.0:8443",
        "--target=127.0.0.1:8080",
        "--disable-authentication",
        *OF_EVERY,
    )


def test_outbound_command_verifies_the_server_it_names() -> None:
    tunnel = Outbound(
        PROCESS,
        Address("127.0.0.1", 17700),
        Address("vpce-1.example.com", 2762),
        server_name="store.example.com",
    )
    assert command(tunnel) == (
        "ghostunnel",
        "client",
        "--listen=127.0.0.1:17700",
        "--target=vpce-1.example.com:2762",
        "--override-server-name=store.example.com",
        "--verify-dns=store.example.com",
        *OF_EVERY,
    )


def test_outbound_command_to_an_ip_address_verifies_what_is_given() -> None:
    here, there = Address("127.0.0.1", 17700), Address("10.2.0.4", 2762)
    assert not [word for word in command(Outbound(PROCESS, here, there)) if word.startswith("--verify")]
    verify = Names(common_name=("store",), uri=("spiffe://example.com/store",))
    words = command(Outbound(PROCESS, here, there, verify=verify))
    assert [word for word in words if word.startswith("--verify")] == [
        "--verify-cn=store",
        "--verify-uri=spiffe://example.com/store",
    ]


def test_limits_are_said_only_where_they_are_set() -> None:
    process = Process(
        PurePosixPath("k"), PurePosixPath("c"), Address("::1", 1), max_connections=50, ciphers=("AES",)
    )
    words = command(Console(process, Address("0.0.0.0", 8443), Address("localhost", 8080)))
    assert words[-2:] == ("--max-concurrent-conns=50", "--cipher-suites=AES")


@given(st.text(min_size=1).filter(str.isprintable))
def test_no_name_becomes_a_flag_of_its_own(name: str) -> None:
    tunnel = Inbound(PROCESS, Address("0.0.0.0", 2762), Address("127.0.0.1", 1), Names(common_name=(name,)))
    words = command(tunnel)
    assert len(words) == 6 + len(OF_EVERY)
    assert f"--allow-cn={name}" in words

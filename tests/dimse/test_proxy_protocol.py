"""The PROXY protocol header: what is read of it, and that nothing else passes."""

from __future__ import annotations

import datetime
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pacs.dimse.proxy_protocol import (
    FIXED_LENGTH,
    SIGNATURE,
    Address,
    Command,
    ProxyHeader,
    certificate_names,
    crc32c,
    missing,
    read_proxy_header,
)
from pacs.errors import InvalidInput

IPV4 = bytes([192, 0, 2, 1, 127, 0, 0, 1]) + (40000).to_bytes(2, "big") + (2762).to_bytes(2, "big")
# What a network load balancer behind PrivateLink sent (published in aws/elastic-load-balancing-tools).
FROM_AWS = (
    SIGNATURE
    + bytes.fromhex("21110054ac1f0771ac1f0a1fc8f20050030004e8d6892dea001701")
    + b"vpce-08d2bf15fac5001c9"
    + bytes.fromhex("040024")
    + bytes(36)
)


def value(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


def header(*values: bytes, command: int = 1, family: int = 0x11, addresses: bytes = IPV4) -> bytes:
    rest = addresses + b"".join(values)
    return SIGNATURE + bytes([0x20 | command, family]) + len(rest).to_bytes(2, "big") + rest


@cache
def certificate(common_name: str = "Clinic West") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Radiology"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    names = [x509.DNSName("west.example.com"), x509.UniformResourceIdentifier("spiffe://example.com/west")]
    return (
        x509.CertificateBuilder(subject, subject, key.public_key(), 7, start, start)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def tls(*values: bytes, flags: int = 0x07, failed: int = 0) -> bytes:
    return value(0x20, bytes([flags]) + failed.to_bytes(4, "big") + b"".join(values))


def full(padding: int = 0) -> bytes:
    """A header as ghostunnel's tls-full mode lays it out."""
    return header(
        value(0x02, b"pacs.example.com"),
        tls(value(0x21, b"TLS 1.3"), value(0x22, b"Clinic West"), value(0x28, certificate())),
        value(0x04, bytes(padding)),
    )


def read(data: bytes) -> ProxyHeader:
    found = read_proxy_header(data)
    assert found is not None
    return found


def with_checksum(data: bytes) -> bytes:
    """``data``, a header whose last value is a CRC32C of zero, with the right one."""
    return data[:-4] + crc32c(data).to_bytes(4, "big")


def test_crc32c_of_the_check_text_is_the_published_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283


def test_header_of_a_load_balancer_names_the_vpc_endpoint() -> None:
    found = read(FROM_AWS + b"association")
    assert (found.source, found.destination) == (Address("172.31.7.113", 51442), Address("172.31.10.31", 80))
    assert (found.vpc_endpoint, found.checked) == ("vpce-08d2bf15fac5001c9", True)
    assert (found.tls, found.size) == (None, len(FROM_AWS))


def test_header_of_ghostunnel_names_the_client() -> None:
    found = read(full(padding=1024) + b"association")
    assert found.size > 1024
    assert found.authority == "pacs.example.com"
    assert found.tls is not None
    assert (found.tls.version, found.tls.common_name) == ("TLS 1.3", "Clinic West")
    assert found.tls.certificate == certificate()
    assert found.identity is not None
    assert found.identity.dns == ("west.example.com",)
    assert found.identity.uri == ("spiffe://example.com/west",)
    assert found.identity.organizational_units == ("Radiology",)


def test_all_other_values_are_read() -> None:
    found = read(
        header(
            value(0x01, b"h2"), value(0x05, b"\x00id"), value(0x30, b"tenant"), *[value(0xE0, b"?")] * 2,
            tls(value(0x23, b"AES"), value(0x24, b"SHA256"), value(0x25, b"EC256"), flags=1),
        )
    )  # fmt: skip
    assert (found.alpn, found.unique_id, found.namespace) == (b"h2", b"\x00id", "tenant")
    assert found.tls is not None
    assert (found.tls.cipher, found.tls.signature_algorithm, found.tls.key_algorithm) == (
        "AES",
        "SHA256",
        "EC256",
    )
    assert found.identity is None


def test_unverified_or_absent_certificate_gives_no_identity() -> None:
    inner = value(0x28, certificate())
    assert read(header(tls(inner))).identity is not None
    assert read(header(tls(inner, failed=1))).identity is None
    assert read(header(tls(inner, flags=0x01))).identity is None
    assert read(header(tls(inner, flags=0x00))).identity is None
    assert read(header()).identity is None


@pytest.mark.parametrize("family", [0x00, 0x11, 0x77])
def test_local_header_is_read_whatever_the_rest(family: int) -> None:
    found = read(header(b"\xff\xff", command=0, family=family, addresses=b""))
    assert (found.command, found.source, found.size) == (Command.LOCAL, None, FIXED_LENGTH + 2)


def test_addresses_of_each_family_are_read() -> None:
    ports = (1).to_bytes(2, "big") + (65535).to_bytes(2, "big")
    sixth = bytes(15) + b"\x01" + bytes.fromhex("20010db8") + bytes(11) + b"\x02"
    found = read(header(family=0x21, addresses=sixth + ports))
    assert (found.source, found.destination) == (Address("::1", 1), Address("2001:db8::2", 65535))
    unix = read(header(family=0x31, addresses=b"/run/a".ljust(108, b"\x00") + bytes(108)))
    assert (unix.source, unix.destination) == (Address("/run/a", 0), Address("", 0))
    assert read(header(family=0x00, addresses=b"")).source is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"A-ASSOCIATE", "connect through the tunnel"),
        (b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n", "version 2 header is wanted"),
        (SIGNATURE + b"\x11\x11\x00\x00", "version 1"),
        (SIGNATURE + b"\x22\x11\x00\x00", "command 2"),
        (header(family=0x12), "of no stream"),
        (header(family=0x41), "of no stream"),
        (header(family=0x01), "of no stream"),
        (header(family=0x10), "of no stream"),
        (header(addresses=IPV4[:11]), "too short for the addresses"),
        (header(b"\x02\x00"), "inside the type and length"),
        (header(b"\x02\x00\x02a"), "past the header's end"),
        (header(value(0x03, b"\x00\x00\x00\x00")), "CRC32C is wrong"),
        (header(value(0x03, b"\x00")), "not four octets"),
        (header(value(0x02, b"a"), value(0x02, b"b")), "twice"),
        (header(tls(), tls()), "twice"),
        (header(tls(value(0x22, b"a"), value(0x22, b"b"))), "twice"),
        (header(value(0xEA, b"\x01vpce-a"), value(0xEA, b"\x01vpce-b")), "two VPC endpoints"),
        (header(value(0x20, b"\x01\x00")), "shorter than its own"),
        (header(tls(b"\x21\x00\x09")), "past the header's end"),
        (header(value(0x02, b"\xff")), "no UTF-8"),
        (header(value(0x02, b"a\nb")), "control characters"),
        (header(value(0x05, bytes(129))), "longer than 128"),
        (header(tls(value(0x28, b"\x30\x03\x02\x01\x01"))), "cannot be read"),
        (
            header(tls(value(0x22, b"Someone Else"), value(0x28, certificate()))),
            "not that of the certificate",
        ),
    ],
)
def test_what_is_no_header_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_proxy_header(data)


def test_wrong_octets_are_refused_before_the_header_is_whole() -> None:
    for wrong in (b"\x01", SIGNATURE[:4] + b"\x01", SIGNATURE + b"\x31", SIGNATURE + b"\x21\x12"):
        with pytest.raises(InvalidInput):
            missing(wrong)


def test_longest_header_is_read() -> None:
    data = header(value(0x04, bytes(0xFFFF - len(IPV4) - 3)))
    assert read(data).size == len(data) == FIXED_LENGTH + 0xFFFF


def test_control_characters_in_a_certificate_are_refused() -> None:
    with pytest.raises(InvalidInput, match="control characters"):
        certificate_names(certificate("Clinic\nWest"))


@given(st.integers(0, 2048))
def test_reading_exactly_what_is_missing_takes_nothing_of_the_association(padding: int) -> None:
    stream = full(padding) + b"association"
    taken, reads = b"", 0
    while wanted := missing(taken):
        assert read_proxy_header(taken) is None
        taken, reads = taken + stream[len(taken) : len(taken) + wanted], reads + 1
    assert reads == 2
    assert taken + b"association" == stream
    assert read(taken).size == len(taken)


@given(st.data())
def test_every_beginning_of_a_header_asks_for_more(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([FROM_AWS, full(), with_checksum(header(value(0x03, bytes(4))))]))
    assert read_proxy_header(whole) is not None
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert read_proxy_header(whole[:cut]) is None
    assert missing(whole[:cut]) > 0


@given(st.integers(0, len(FROM_AWS) * 8 - 1))
def test_every_flipped_bit_of_a_checked_header_is_noticed(bit: int) -> None:
    damaged = bytearray(FROM_AWS)
    damaged[bit // 8] ^= 1 << (bit % 8)
    try:
        found = read_proxy_header(bytes(damaged))
    except InvalidInput:
        return
    # What remains: a length that asks for more, or LOCAL, which says nothing; or a checksum of another type.
    assert found is None or found.command is Command.LOCAL or not found.checked


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@given(st.binary(max_size=64), st.integers(0), st.sampled_from([FROM_AWS, full(), SIGNATURE + b"\x21\x11"]))
def test_any_octets_are_a_header_or_need_more_or_are_refused(noise: bytes, place: int, base: bytes) -> None:
    place %= len(base)
    damaged = base[:place] + noise + base[place + len(noise) :]
    try:
        found = read_proxy_header(damaged)
    except InvalidInput:
        return
    assert found is None or FIXED_LENGTH <= found.size <= len(damaged)

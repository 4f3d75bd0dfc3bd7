"""The PROXY protocol, version 2: what a TLS tunnel says of a connection before its own octets.

ghostunnel (``--proxy-protocol-mode=tls-full``) and load balancers write one binary header in front of the
stream (HAProxy's ``proxy-protocol.txt``, section 2.2). It names both ends, and in type-length-values the TLS
version, the client's certificate, the name asked for, and on AWS the VPC endpoint. This module only turns
octets into a ``ProxyHeader``; it opens no socket and decides no permission. A header can be forged by whoever
reaches the port: trust it only on a loopback listener that nothing but the tunnel can reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from pacs.errors import InvalidInput

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
FIXED_LENGTH: Final = 16  # octets: signature, version and command, family and protocol, length of the rest
LONGEST: Final = FIXED_LENGTH + 0xFFFF  # octets; the length field cannot say more

_VERSION = 2
_STREAM = 1  # the low half of the family octet; 2 is datagrams, which no association comes in
_ADDRESS_LENGTHS = {0x0: 0, 0x1: 12, 0x2: 36, 0x3: 216}  # octets by family: none, IPv4, IPv6, Unix

_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID = (
    0x01,
    0x02,
    0x03,
    0x05,
)  # 0x04 is padding, ignored as unknown ones are
_SSL, _NETNS, _AWS = 0x20, 0x30, 0xEA
_SSL_VERSION, _SSL_CN, _SSL_CIPHER, _SSL_SIG_ALG, _SSL_KEY_ALG, _SSL_CLIENT_CERT = (
    0x21, 0x22, 0x23, 0x24, 0x25, 0x28,
)  # fmt: skip
_AWS_VPC_ENDPOINT = 0x01  # the subtype, first octet of the value
_ONCE = {_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL, _NETNS}
_SSL_ONCE = {_SSL_VERSION, _SSL_CN, _SSL_CIPHER, _SSL_SIG_ALG, _SSL_KEY_ALG, _SSL_CLIENT_CERT}
_CLIENT_SSL, _CLIENT_CERT_CONN, _CLIENT_CERT_SESS = 0x01, 0x02, 0x04
_LONGEST_UNIQUE_ID = 128  # octets, section 2.2.4


class Command(IntEnum):
    """LOCAL: the tunnel itself connects, for a health check. PROXY: on behalf of a client."""

    LOCAL = 0
    PROXY = 1


@dataclass(frozen=True, slots=True)
class Address:
    """One end of the proxied connection: an IP address and a port, or a Unix socket's path and port 0."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names of a client's certificate (RFC 5280 sections 4.1.2.6 and 4.2.1.6), by which we know it."""

    common_name: str | None
    organizational_units: tuple[str, ...]
    dns: tuple[str, ...]
    uri: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TLSInfo:
    """What the tunnel says of the TLS connection that it ended.

    ``verified`` is whether the tunnel found the client's certificate good; ``certificate`` is that
    certificate in DER. Version, cipher and algorithms are texts for people ("TLS 1.3"), None where the tunnel
    does not send them.
    """

    presented: bool
    verified: bool
    version: str | None
    common_name: str | None
    cipher: str | None
    signature_algorithm: str | None
    key_algorithm: str | None
    certificate: bytes | None
    names: CertificateNames | None


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """One whole header. ``size`` is its length in octets: the association's own octets begin there.

    For ``Command.LOCAL``, and where the sender knew no addresses, ``source`` and ``destination`` are None.
    ``checked`` is whether a checksum was there (and right: a wrong one is refused).
    """

    command: Command
    source: Address | None
    destination: Address | None
    tls: TLSInfo | None
    authority: str | None
    alpn: bytes | None
    unique_id: bytes | None
    namespace: str | None
    vpc_endpoint: str | None
    checked: bool
    size: int

    @property
    def identity(self) -> CertificateNames | None:
        """The names of the client's certificate, or None unless it was presented and verified."""
        if self.tls is None or not (self.tls.presented and self.tls.verified):
            return None
        return self.tls.names


def missing(data: bytes) -> int:
    """How many octets to read before the header that ``data`` begins can be read; 0 when it is whole.

    Never more than the header itself holds, so a reader that asks for exactly so many takes nothing of the
    association. Raises InvalidInput as soon as the octets cannot begin a header that is accepted.
    """
    _check_beginning(data)
    if len(data) < FIXED_LENGTH:
        return FIXED_LENGTH - len(data)
    return max(0, _length(data) - len(data))


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of ``data``, or None while more octets are needed.

    Raises InvalidInput for octets that are no header of version 2, bounds that do not fit, a wrong checksum,
    a value that is there twice, text that is no text, and a client certificate that cannot be read or whose
    common name is not the one announced beside it.
    """
    if missing(data):
        return None
    size = _length(data)
    if data[12] & 0x0F == Command.LOCAL:
        return _local(size)  # section 2.2: the receiver discards the rest, whatever it is
    family = data[13] >> 4
    start = FIXED_LENGTH + _ADDRESS_LENGTHS[family]
    if start > size:
        raise InvalidInput("the PROXY header is too short for the addresses that it announces")
    source, destination = _addresses(family, data[FIXED_LENGTH:start])
    return _proxied(data[:size], start, source, destination)


def _check_beginning(data: bytes) -> None:
    if not SIGNATURE.startswith(data[:12]):
        raise InvalidInput("a PROXY protocol version 2 header is wanted here: connect through the tunnel")
    if len(data) > 12:
        if data[12] >> 4 != _VERSION:
            raise InvalidInput(f"PROXY protocol version {data[12] >> 4} is not known; version 2 is")
        if data[12] & 0x0F > Command.PROXY:
            raise InvalidInput(f"PROXY command {data[12] & 0x0F} is not known")
    if len(data) > 13 and data[12] & 0x0F == Command.PROXY:
        family, protocol = data[13] >> 4, data[13] & 0x0F
        if family not in _ADDRESS_LENGTHS or protocol not in (0, _STREAM) or (family == 0) != (protocol == 0):
            raise InvalidInput(f"the PROXY header is of no stream connection (family octet {data[13]:02x})")


def _length(data: bytes) -> int:
    return FIXED_LENGTH + int.from_bytes(data[14:16], "big")


def _local(size: int) -> ProxyHeader:
    return ProxyHeader(Command.LOCAL, None, None, None, None, None, None, None, None, False, size)


def _addresses(family: int, block: bytes) -> tuple[Address | None, Address | None]:
    if family == 0x0:
        return None, None
    if family == 0x3:
        return Address(_path(block[:108]), 0), Address(_path(block[108:]), 0)
    width = 4 if family == 0x1 else 16
    source, destination = ip_address(block[:width]), ip_address(block[width : 2 * width])
    ports = block[2 * width :]
    return (
        Address(str(source), int.from_bytes(ports[:2], "big")),
        Address(str(destination), int.from_bytes(ports[2:], "big")),
    )


def _path(block: bytes) -> str:
    return block.rstrip(b"\x00").decode("utf-8", "surrogateescape")


def _proxied(header: bytes, start: int, source: Address | None, destination: Address | None) -> ProxyHeader:
    values: dict[int, bytes] = {}
    vpc_endpoint: str | None = None
    for kind, offset, end in _type_length_values(header, start, len(header)):
        if kind in _ONCE:
            if kind in values:
                raise InvalidInput(f"the PROXY header holds a value of type {kind:02x} twice")
            values[kind] = header[offset:end]
        if kind == _CRC32C:
            _check_crc32c(header, offset, end)
        elif kind == _AWS and header[offset : offset + 1] == bytes([_AWS_VPC_ENDPOINT]):
            if vpc_endpoint is not None:
                raise InvalidInput("the PROXY header names two VPC endpoints")
            vpc_endpoint = _text(header[offset + 1 : end], "VPC endpoint")
    unique_id = values.get(_UNIQUE_ID)
    if unique_id is not None and len(unique_id) > _LONGEST_UNIQUE_ID:
        raise InvalidInput(f"the PROXY header's unique id is longer than {_LONGEST_UNIQUE_ID} octets")
    return ProxyHeader(
        command=Command.PROXY,
        source=source,
        destination=destination,
        tls=_tls(values[_SSL]) if _SSL in values else None,
        authority=_optional_text(values, _AUTHORITY, "authority"),
        alpn=values.get(_ALPN),
        unique_id=unique_id,
        namespace=_optional_text(values, _NETNS, "network namespace"),
        vpc_endpoint=vpc_endpoint,
        checked=_CRC32C in values,
        size=len(header),
    )


def _type_length_values(data: bytes, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Type, first octet and octet after the last of each value from ``start`` on; they fill it exactly."""
    found = []
    while start < stop:
        if stop - start < 3:
            raise InvalidInput("the PROXY header ends inside the type and length of a value")
        offset = start + 3
        end = offset + int.from_bytes(data[start + 1 : offset], "big")
        if end > stop:
            raise InvalidInput(f"a PROXY value of type {data[start]:02x} goes past the header's end")
        found.append((data[start], offset, end))
        start = end
    return found


def _check_crc32c(header: bytes, offset: int, end: int) -> None:
    """The checksum is of the whole header with the checksum's own four octets zero (section 2.2.3)."""
    if end - offset != 4:
        raise InvalidInput("the PROXY header's CRC32C is not four octets long")
    if crc32c(header[:offset] + bytes(4) + header[end:]) != int.from_bytes(header[offset:end], "big"):
        raise InvalidInput("the PROXY header's CRC32C is wrong: it was corrupted, or made up")


def _tls(value: bytes) -> TLSInfo | None:
    """The SSL value: an octet of flags, four of verification, then values. None for a plain connection."""
    if len(value) < 5:
        raise InvalidInput("the PROXY header's TLS value is shorter than its own five octets")
    flags, failed = value[0], int.from_bytes(value[1:5], "big")
    inner: dict[int, bytes] = {}
    for kind, offset, end in _type_length_values(value, 5, len(value)):
        if kind in inner and kind in _SSL_ONCE:
            raise InvalidInput(f"the PROXY header holds a TLS value of type {kind:02x} twice")
        inner[kind] = value[offset:end]
    if not flags & _CLIENT_SSL:
        return None
    common_name = _optional_text(inner, _SSL_CN, "common name")
    certificate = inner.get(_SSL_CLIENT_CERT)
    names = None if certificate is None else certificate_names(certificate)
    if names is not None and common_name is not None and common_name != names.common_name:
        raise InvalidInput("the PROXY header's common name is not that of the certificate in it")
    return TLSInfo(
        presented=bool(flags & (_CLIENT_CERT_CONN | _CLIENT_CERT_SESS)),
        verified=failed == 0,
        version=_optional_text(inner, _SSL_VERSION, "TLS version"),
        common_name=common_name,
        cipher=_optional_text(inner, _SSL_CIPHER, "cipher"),
        signature_algorithm=_optional_text(inner, _SSL_SIG_ALG, "signature algorithm"),
        key_algorithm=_optional_text(inner, _SSL_KEY_ALG, "key algorithm"),
        certificate=certificate,
        names=names,
    )


def _optional_text(values: dict[int, bytes], kind: int, what: str) -> str | None:
    return _text(values[kind], what) if kind in values else None


def _text(value: bytes, what: str) -> str:
    """UTF-8 without control characters: these texts go into logs and the audit trail."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput(f"the PROXY header's {what} is no UTF-8 text") from None
    if not text.isprintable():
        raise InvalidInput(f"the PROXY header's {what} holds control characters")
    return text


def certificate_names(der: bytes) -> CertificateNames:
    """The names of the certificate ``der`` in DER. Raises InvalidInput when it cannot be read.

    The tunnel verified it; here it is only read. Of several common names the last counts, as it does for the
    tunnel (Go's ``crypto/x509``).
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        common_names = _subject(certificate, NameOID.COMMON_NAME)
        names = CertificateNames(
            common_name=common_names[-1] if common_names else None,
            organizational_units=_subject(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
            dns=_alternatives(certificate, x509.DNSName),
            uri=_alternatives(certificate, x509.UniformResourceIdentifier),
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise InvalidInput("the client certificate in the PROXY header cannot be read") from None
    if not all(map(str.isprintable, (names.common_name or "", *names.organizational_units))):
        raise InvalidInput("a name in the client certificate holds control characters")
    if not all(map(str.isprintable, (*names.dns, *names.uri))):
        raise InvalidInput("an alternative name in the client certificate holds control characters")
    return names


def _subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.decode("utf-8") for value in values)


def _alternatives(
    certificate: x509.Certificate, kind: type[x509.DNSName] | type[x509.UniformResourceIdentifier]
) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.value for name in extension.value if isinstance(name, kind))


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of ``data``: zlib has only the other CRC-32. About 0.1 ms per KiB."""
    table = _crc32c_table()
    value = 0xFFFFFFFF
    for octet in data:
        value = table[(value ^ octet) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _crc32c_table() -> tuple[int, ...]:
    return tuple(_crc32c_entry(octet) for octet in range(256))


def _crc32c_entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)  # the polynomial, least bit first
    return value

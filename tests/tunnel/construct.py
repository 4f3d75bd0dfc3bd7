"""Writes the constructed PROXY headers of the folder vectors; see its README."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from tunnel.pki import KeyKind, Leaf, issue, new_authority

VECTORS = Path(__file__).parent / "vectors"
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def value(kind: int, content: bytes) -> bytes:
    """One type-length-value."""
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


def tls_full(certificate: bytes, common_name: str | None, server_name: str | None) -> bytes:
    """A header over IPv4 as tls-full has it: authority, then TLS with version, common name, certificate."""
    tls = b"\x07" + bytes(4) + value(0x21, b"TLS 1.3")
    if common_name is not None:
        tls += value(0x22, common_name.encode())
    tls += value(0x28, certificate)
    values = (b"" if server_name is None else value(0x02, server_name.encode())) + value(0x20, tls)
    rest = bytes([192, 0, 2, 7, 192, 0, 2, 1]) + bytes.fromhex("c0010aca") + values
    return SIGNATURE + b"\x21\x11" + len(rest).to_bytes(2, "big") + rest


def published() -> bytes:
    """The load balancer's header."""
    fixed = bytes.fromhex("21110054ac1f0771ac1f0a1fc8f20050030004e8d6892dea001701")
    return SIGNATURE + fixed + b"vpce-08d2bf15fac5001c9" + bytes.fromhex("040024") + bytes(36)


def main() -> None:
    """Write all of them anew."""
    now = datetime.now(UTC)
    leaf = Leaf(
        "Clinic West", ("west.example.com",), ("spiffe://example.com/west",), organizational_unit="Radiology"
    )
    for kind in KeyKind:
        issued = issue(new_authority("synthetic", now=now, kind=kind), leaf, now=now, kind=kind)
        der = issued.certificate.public_bytes(Encoding.DER)
        header = tls_full(der, leaf.common_name, "pacs.example.com")
        (VECTORS / f"constructed-{kind.value}.bin").write_bytes(header)
        if kind is KeyKind.EC:
            (VECTORS / "constructed-no-server-name.bin").write_bytes(tls_full(der, leaf.common_name, None))
    many = replace(leaf, dns=leaf.dns + tuple(f"modality-{number}.west.example.com" for number in range(24)))
    issued = issue(new_authority("synthetic", now=now), many, now=now)
    der = issued.certificate.public_bytes(Encoding.DER)
    header = tls_full(der, leaf.common_name, "pacs.example.com")
    (VECTORS / "constructed-many-names.bin").write_bytes(header)
    (VECTORS / "published-aws-nlb.bin").write_bytes(published())


if __name__ == "__main__":
    main()

"""The PROXY headers in the folder vectors are read as what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pacs.dimse.proxy_protocol import Address, CertificateNames, read_proxy_header
from tests.tunnel.construct import VECTORS

WEST = CertificateNames("Clinic West", ("Radiology",), ("west.example.com",), ("spiffe://example.com/west",))


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.bin")), ids=lambda path: path.stem)
def test_header_is_read_whole(path: Path) -> None:
    data = path.read_bytes()
    found = read_proxy_header(data + b"association")
    assert found is not None
    assert found.size == len(data)
    assert found.source is not None


@pytest.mark.parametrize("path", sorted(VECTORS.glob("c*.bin")), ids=lambda path: path.stem)
def test_header_of_a_tunnel_names_the_client(path: Path) -> None:
    found = read_proxy_header(path.read_bytes())
    assert found is not None
    assert found.identity is not None
    assert replace(found.identity, dns=found.identity.dns[:1]) == WEST
    assert found.tls is not None
    assert found.tls.version == "TLS 1.3"
    assert found.authority == (None if "no-server-name" in path.stem else "pacs.example.com")


def test_header_with_many_names_is_longer_than_a_kibibyte() -> None:
    found = read_proxy_header((VECTORS / "constructed-many-names.bin").read_bytes())
    assert found is not None
    assert found.size > 1024
    assert found.identity is not None
    assert len(found.identity.dns) == 25


def test_header_of_the_load_balancer_names_the_vpc_endpoint() -> None:
    found = read_proxy_header((VECTORS / "published-aws-nlb.bin").read_bytes())
    assert found is not None
    assert (found.vpc_endpoint, found.checked) == ("vpce-08d2bf15fac5001c9", True)
    assert found.source == Address("172.31.7.113", 51442)

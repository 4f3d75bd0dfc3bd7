"""Certificates: what they say, who accepts them, and whom a bundle trusts during a rotation."""

from __future__ import annotations

import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from tunnel.errors import TunnelError
from tunnel.pki import (
    Issued,
    KeyKind,
    Leaf,
    bundle_with,
    bundle_without,
    issue,
    load_authority,
    load_bundle,
    new_authority,
)

NOW = datetime.now(UTC)
LEAF = Leaf(
    "west", dns=("west.example.com",), uri=("spiffe://example.com/west",), ip=(ip_address("192.0.2.1"),)
)


def accepts(authority: Issued, leaf: Issued, *, name: str = "west.example.com", at: datetime = NOW) -> bool:
    """Whether ``leaf`` verifies as a server of that name and as a client."""
    builder = PolicyBuilder().store(Store([authority.certificate])).time(at.replace(tzinfo=None))
    try:
        builder.build_server_verifier(x509.DNSName(name)).verify(leaf.certificate, [])
        builder.build_client_verifier().verify(leaf.certificate, [])
    except VerificationError:
        return False
    return True


def handshake(folder: Path, server: Issued, client: Issued, trusted: bytes) -> bool:
    """Whether Python's TLS makes a connection with both certificates, each side trusting ``trusted``."""
    contexts = []
    for purpose, issued in ((ssl.Purpose.CLIENT_AUTH, server), (ssl.Purpose.SERVER_AUTH, client)):
        context = ssl.create_default_context(purpose, cadata=trusted.decode())
        context.verify_mode = ssl.CERT_REQUIRED
        keystore = folder / "keystore.pem"
        keystore.write_bytes(issued.keystore_pem())
        context.load_cert_chain(keystore)
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        contexts[0].wrap_bio(to_server, to_client, server_side=True),
        contexts[1].wrap_bio(to_client, to_server, server_hostname="west.example.com"),
    ]
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return all(end.version() == "TLSv1.3" for end in ends)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_leaf_is_server_and_client_under_its_authority(tmp_path: Path, kind: KeyKind) -> None:
    authority = new_authority("ours", now=NOW, kind=kind)
    leaf = issue(authority, LEAF, now=NOW, kind=kind)
    assert accepts(authority, leaf)
    assert handshake(tmp_path, leaf, leaf, authority.certificate_pem())


def test_leaf_is_refused_under_another_authority_by_another_name_and_when_expired(tmp_path: Path) -> None:
    authority, other = new_authority("ours", now=NOW), new_authority("ours", now=NOW)
    leaf = issue(authority, LEAF, now=NOW)
    assert not accepts(other, leaf)
    assert not accepts(authority, leaf, name="east.example.com")
    assert not accepts(authority, leaf, at=NOW + timedelta(days=91))
    assert not handshake(tmp_path, leaf, issue(other, LEAF, now=NOW), authority.certificate_pem())
    expired = issue(authority, LEAF, now=NOW - timedelta(days=91))
    assert not handshake(tmp_path, leaf, expired, authority.certificate_pem())


def test_leaf_lives_90_days_and_says_its_names() -> None:
    certificate = issue(new_authority("ours", now=NOW), LEAF, now=NOW).certificate
    assert (certificate.not_valid_after_utc - NOW).days in (89, 90)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [*LEAF.dns, *LEAF.uri, *LEAF.ip]


def test_leaf_signs_no_certificate() -> None:
    authority = new_authority("ours", now=NOW)
    leaf = issue(authority, LEAF, now=NOW)
    below = issue(leaf, LEAF, now=NOW)
    policy = PolicyBuilder().store(Store([authority.certificate])).build_client_verifier()
    with pytest.raises(VerificationError):
        policy.verify(below.certificate, [leaf.certificate])


@pytest.mark.parametrize(
    "leaf", [Leaf("west"), Leaf("", dns=("a",)), Leaf("x" * 65, dns=("a",)), Leaf("west", dns=("zürich",))]
)
def test_leaf_that_cannot_be_known_is_refused(leaf: Leaf) -> None:
    with pytest.raises(TunnelError):
        issue(new_authority("ours", now=NOW), leaf, now=NOW)


def test_key_of_another_authority_is_refused() -> None:
    one, two = new_authority("one", now=NOW), new_authority("two", now=NOW)
    assert load_authority(one.certificate_pem(), one.key_pem()).certificate == one.certificate
    with pytest.raises(TunnelError, match="do not belong together"):
        load_authority(one.certificate_pem(), two.key_pem())
    with pytest.raises(TunnelError, match="cannot be read"):
        load_authority(one.certificate_pem(), b"nothing")


def test_rotation_passes_at_every_step(tmp_path: Path) -> None:
    old, new = new_authority("old", now=NOW), new_authority("new", now=NOW)
    old_leaf, new_leaf = issue(old, LEAF, now=NOW), issue(new, LEAF, now=NOW)
    bundle = bundle_with(b"", old.certificate_pem())
    assert handshake(tmp_path, old_leaf, old_leaf, bundle)
    assert not handshake(tmp_path, old_leaf, new_leaf, bundle)
    bundle = bundle_with(bundle, new.certificate_pem())
    assert bundle_with(bundle, new.certificate_pem()) == bundle
    for server, client in ((old_leaf, new_leaf), (new_leaf, old_leaf), (new_leaf, new_leaf)):
        assert handshake(tmp_path, server, client, bundle)
    bundle = bundle_without(bundle, old.certificate_pem())
    assert handshake(tmp_path, new_leaf, new_leaf, bundle)
    assert not handshake(tmp_path, new_leaf, old_leaf, bundle)
    with pytest.raises(TunnelError, match="nobody"):
        bundle_without(bundle, new.certificate_pem())
    with pytest.raises(TunnelError, match="not in the bundle"):
        bundle_without(bundle, old.certificate_pem())


def pki(*words: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tunnel", "pki", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_command_makes_files_that_only_their_owner_reads_and_keeps_them(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    pki("ca", folder)
    pki("leaf", folder, "pacs", "--dns", "pacs.example.com", "--ip", "127.0.0.1", "--unit", "Radiology")
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(files) == {"ca.crt", "ca.key", "pacs.crt", "pacs.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o400}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "--force" in pki("ca", folder, code=1)
    assert "--force" in pki("leaf", folder, "pacs", "--dns", "other.example.com", code=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    pki("leaf", folder, "pacs", "--dns", "other.example.com", "--force")
    assert "other.example.com" in pki("show", folder / "pacs.crt")
    assert "no file name" in pki("leaf", folder, "../x", "--dns", "a", code=1)


def test_commands_rotate_a_bundle(tmp_path: Path) -> None:
    old, new, bundle = tmp_path / "old", tmp_path / "new", tmp_path / "trusted.crt"
    for folder in (old, new):
        pki("ca", folder, "--name", folder.name)
        pki("trust", bundle, folder / "ca.crt")
    assert len(load_bundle(bundle.read_bytes())) == 2
    pki("distrust", bundle, old / "ca.crt")
    assert "CN=new" in pki("show", bundle)
    assert len(load_bundle(bundle.read_bytes())) == 1

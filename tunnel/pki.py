"""A development certificate authority, leaf certificates, and the three steps of a rotation.

For laptops, tests and demonstrations; a hospital has an authority of its own. Leaves carry both usages, TLS
server and TLS client, since one appliance is both; they live 90 days. Names are in the subject alternative
name, where every TLS library looks (RFC 5280 section 4.2.1.6, RFC 6125). Pure but for randomness: files are
the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tunnel.errors import TunnelError

LEAF_DAYS = 90
AUTHORITY_DAYS = 365
_EARLIER = timedelta(minutes=5)  # clocks of two machines may differ by so much
_LONGEST_COMMON_NAME = 64  # characters, RFC 5280 appendix A (ub-common-name)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyKind(StrEnum):
    """EC: P-256. RSA: 2048 bits, for partners whose software knows nothing else."""

    EC = "ec"
    RSA = "rsa"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    def certificate_pem(self) -> bytes:
        """The certificate alone, in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """The private key alone, in PEM (PKCS #8), not encrypted: the file's mode protects it."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def keystore_pem(self) -> bytes:
        """Key and certificate in one PEM file, as ghostunnel's ``--keystore`` takes it."""
        return self.certificate_pem() + self.key_pem()


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf certificate is to say; at least one alternative name."""

    common_name: str
    dns: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    ip: tuple[IPv4Address | IPv6Address, ...] = ()
    organizational_unit: str | None = None

    def alternative_names(self) -> x509.SubjectAlternativeName:
        """Raises TunnelError where there is none, or one cannot be encoded."""
        if not (self.dns or self.uri or self.ip):
            raise TunnelError("a leaf certificate needs a DNS name, a URI or an IP address to be known by")
        try:
            return x509.SubjectAlternativeName(
                [
                    *(x509.DNSName(name) for name in self.dns),
                    *(x509.UniformResourceIdentifier(name) for name in self.uri),
                    *(x509.IPAddress(address) for address in self.ip),
                ]
            )
        except ValueError as error:
            raise TunnelError(f"an alternative name cannot be encoded: {error}") from error


def new_authority(
    common_name: str, *, now: datetime, days: int = AUTHORITY_DAYS, kind: KeyKind = KeyKind.EC
) -> Issued:
    """A self-signed authority that may sign leaves and no further authorities. Raises TunnelError."""
    key = _new_key(kind)
    name = _subject(common_name, None)
    builder = _builder(name, name, key, now, days).add_extension(
        x509.BasicConstraints(True, 0), critical=True
    )
    builder = builder.add_extension(_usage(authority=True), critical=True)
    return Issued(builder.sign(key, hashes.SHA256()), key)


def issue(
    authority: Issued, leaf: Leaf, *, now: datetime, days: int = LEAF_DAYS, kind: KeyKind = KeyKind.EC
) -> Issued:
    """A leaf certificate for TLS server and client. Raises TunnelError."""
    key = _new_key(kind)
    subject = _subject(leaf.common_name, leaf.organizational_unit)
    builder = _builder(subject, authority.certificate.subject, key, now, days)
    for extension, critical in (
        (x509.BasicConstraints(False, None), True),
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (leaf.alternative_names(), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def load_authority(certificate_pem: bytes, key_pem: bytes) -> Issued:
    """An authority as its two files hold it. Raises TunnelError where they do not belong together."""
    certificates = load_bundle(certificate_pem)
    try:
        key = load_pem_private_key(key_pem, None)
    except (ValueError, TypeError) as error:
        raise TunnelError(f"the authority's key cannot be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TunnelError("the authority's key is neither an elliptic curve nor an RSA key")
    for certificate in certificates:
        if certificate.public_key() == key.public_key():
            return Issued(certificate, key)
    raise TunnelError("the authority's key and certificate do not belong together")


def load_bundle(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates in ``pem``, at least one. Raises TunnelError."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise TunnelError(f"no certificates can be read there: {error}") from error


def bundle_with(bundle_pem: bytes, added_pem: bytes) -> bytes:
    """The bundle that trusts those of ``added_pem`` too: a rotation's first step. Raises TunnelError."""
    bundle = list(load_bundle(bundle_pem)) if bundle_pem.strip() else []
    bundle += [certificate for certificate in load_bundle(added_pem) if certificate not in bundle]
    return _pem(bundle)


def bundle_without(bundle_pem: bytes, removed_pem: bytes) -> bytes:
    """The bundle that trusts those of ``removed_pem`` no longer: a rotation's last step.

    Raises TunnelError where one is not in it, and where none would remain.
    """
    bundle, removed = load_bundle(bundle_pem), load_bundle(removed_pem)
    for certificate in removed:
        if certificate not in bundle:
            raise TunnelError(f"{certificate.subject.rfc4514_string()} is not in the bundle")
    remaining = [certificate for certificate in bundle if certificate not in removed]
    if not remaining:
        raise TunnelError("the bundle would trust nobody any more; add the new authority first")
    return _pem(remaining)


def _pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind is KeyKind.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _subject(common_name: str, organizational_unit: str | None) -> x509.Name:
    if not 1 <= len(common_name) <= _LONGEST_COMMON_NAME or not common_name.isprintable():
        raise TunnelError(f"a common name has 1 to {_LONGEST_COMMON_NAME} printable characters")
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organizational_unit:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, organizational_unit))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    if days < 1:
        raise TunnelError(f"a certificate lives at least 1 day, not {days}")
    start = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _EARLIER)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_encipherment=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

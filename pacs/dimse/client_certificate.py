"""The names in a client's certificate, by which a partner is known (RFC 5280 sections 4.1.2.6 and 4.2.1.6).

The certificate was verified by the tunnel that sends it; here it is only read.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from pacs.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """Subject alternative names (DNS and URI) and of the subject the common name and organizational units."""

    common_name: str | None
    organizational_units: tuple[str, ...]
    dns: tuple[str, ...]
    uri: tuple[str, ...]


def certificate_names(der: bytes) -> CertificateNames:
    """The names of the certificate ``der`` in DER. Raises InvalidInput when it cannot be read.

    Of several common names the last counts, as it does for the tunnel (Go's ``crypto/x509``).
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        common_names = _subject(certificate, NameOID.COMMON_NAME)
        names = CertificateNames(
            common_name=common_names[-1] if common_names else None,
            organizational_units=_subject(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
            dns=tuple(_alternatives(certificate, x509.DNSName)),
            uri=tuple(_alternatives(certificate, x509.UniformResourceIdentifier)),
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise InvalidInput("the client certificate in the PROXY header cannot be read") from None
    printable = (names.common_name or "", *names.organizational_units, *names.dns, *names.uri)
    if not all(name.isprintable() for name in printable):
        raise InvalidInput("a name in the client certificate holds control characters")
    return names


def _subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    values = (attribute.value for attribute in certificate.subject.get_attributes_for_oid(oid))
    return tuple(value if isinstance(value, str) else value.decode("utf-8") for value in values)


def _alternatives(
    certificate: x509.Certificate, kind: type[x509.DNSName] | type[x509.UniformResourceIdentifier]
) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.value for name in extension.value if isinstance(name, kind)]

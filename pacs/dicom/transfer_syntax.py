"""Transfer syntaxes (PS3.5 section 10 and annex A): how the bytes of a data set are laid out."""

from __future__ import annotations

from dataclasses import dataclass

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
GE_PRIVATE_IMPLICIT_VR_BIG_ENDIAN_PIXELS = "1.2.840.113619.5.2"
"""GE's private syntax: a data set in Implicit VR Little Endian whose pixel data is big endian."""


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """What a reader needs to know of a transfer syntax."""

    uid: str
    explicit: bool
    """Each element tells its VR."""
    big_endian: bool
    deflated: bool
    """All that follows the File Meta Information is a raw deflate stream (PS3.5 section A.5)."""
    encapsulated: bool
    """Pixel data comes in fragments, as a rule compressed (PS3.5 section A.4)."""


_NATIVE = {
    syntax.uid: syntax
    for syntax in (
        TransferSyntax(IMPLICIT_VR_LITTLE_ENDIAN, False, False, False, False),
        TransferSyntax(EXPLICIT_VR_LITTLE_ENDIAN, True, False, False, False),
        TransferSyntax(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, True, False, True, False),
        TransferSyntax(EXPLICIT_VR_BIG_ENDIAN, True, True, False, False),
        TransferSyntax(GE_PRIVATE_IMPLICIT_VR_BIG_ENDIAN_PIXELS, False, False, False, False),
    )
}


def transfer_syntax(uid: str) -> TransferSyntax:
    """The transfer syntax ``uid``; unknown and private ones count as explicit little endian, encapsulated.

    PS3.5 section A.4 demands that of every compressed syntax, and no other kind has been added since 1996.
    """
    return _NATIVE.get(uid) or TransferSyntax(uid, True, False, False, True)

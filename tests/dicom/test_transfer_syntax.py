"""Transfer syntaxes."""

from __future__ import annotations

import pytest
from pydicom.uid import AllTransferSyntaxes

from pacs.dicom.transfer_syntax import transfer_syntax


@pytest.mark.parametrize("uid", AllTransferSyntaxes)
def test_transfer_syntaxes_of_the_standard_are_what_pydicom_takes_them_for(uid: str) -> None:
    known = next(syntax for syntax in AllTransferSyntaxes if syntax == uid)
    syntax = transfer_syntax(uid)
    assert syntax.explicit is not known.is_implicit_VR
    assert syntax.big_endian is not known.is_little_endian
    assert syntax.deflated is known.is_deflated
    assert syntax.encapsulated is known.is_encapsulated


def test_unknown_transfer_syntax_counts_as_explicit_little_endian_encapsulated() -> None:
    syntax = transfer_syntax("1.2.3.4")
    assert (syntax.explicit, syntax.big_endian, syntax.deflated, syntax.encapsulated) == (
        True,
        False,
        False,
        True,
    )


def test_private_syntax_of_ge_is_implicit() -> None:
    assert not transfer_syntax("1.2.840.113619.5.2").explicit

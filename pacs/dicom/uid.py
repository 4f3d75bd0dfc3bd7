"""UIDs (PS3.5 section 9) and AE titles (PS3.5 section 6.2): checked before they are used for anything."""

from __future__ import annotations

import re
import uuid

from pacs import __version__
from pacs.errors import InvalidAETitle, InvalidUID

IMPLEMENTATION_CLASS_UID = "2.25.73641188597042041124295160510283275801"
"""Names this implementation in associations and files (PS3.7 section D.3.3.2)."""

IMPLEMENTATION_VERSION_NAME = f"PACS_{__version__}"[:16]
"""At most 16 characters (PS3.7 section D.3.3.2)."""

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_AE_TITLE = re.compile(r"[ -\[\]-~]{1,16}")


def check_uid(text: str) -> str:
    """``text`` without padding, known to be a UID: digits and dots, 64 characters at most.

    Leading zeros in a component, which section 9.1 forbids, occur in the field and do no harm: they pass.
    Raises InvalidUID.
    """
    uid = text.rstrip("\0 ")
    if len(uid) > 64:
        raise InvalidUID(
            "A UID is longer than 64 characters (PS3.5 section 9.1); the sender must correct it."
        )
    if not _UID.fullmatch(uid):
        raise InvalidUID(
            "A UID is empty or holds other characters than digits and single dots"
            " (PS3.5 section 9.1); the sender must correct it."
        )
    return uid


def check_ae_title(text: str) -> str:
    """``text`` without leading and trailing spaces, known to be an AE title.

    1 to 16 characters of the default repertoire, no backslash, no control character. Raises InvalidAETitle.
    """
    title = text.strip(" ")
    if not title or not _AE_TITLE.fullmatch(title):
        raise InvalidAETitle(
            "An AE title needs 1 to 16 printable ASCII characters and no backslash (PS3.5 section 6.2)."
        )
    return title


def new_uid() -> str:
    """A UID of its own, from a random UUID (PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def derived_uid(text: str) -> str:
    """The UID that always comes of ``text``, from a name-based UUID (PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, text).int}"

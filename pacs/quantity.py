"""Quantities as people write them: sizes, times, ports, switches and names, from text to values.

Each parser raises InvalidInput with the second half of a sentence ("must be a number of seconds, ..."),
so that the caller can put a name before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from pacs.dicom.uid import check_ae_title
from pacs.errors import InvalidAETitle, InvalidInput

SHORTEST_PDU = 4 * 1024  # bytes; below, the command set of a C-STORE would be cut in pieces
LONGEST_PDU = 16 * 1024 * 1024  # bytes; one PDU is held in memory for each association

_BYTES = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_BYTES |= {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")


def size(text: str) -> int:
    """A number of bytes: ``1048576``, ``512KiB``, ``5 GiB``, ``2GB`` (decimal)."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2].upper() not in _BYTES:
        raise InvalidInput(f"must be a size such as 512MiB or 5GiB, not {text!r}")
    return int(float(match[1]) * _BYTES[match[2].upper()])


def pdu_size(text: str) -> int:
    """The length of a PDU in bytes, within what is sensible."""
    value = size(text)
    if not SHORTEST_PDU <= value <= LONGEST_PDU:
        raise InvalidInput(f"must be between 4KiB and 16MiB, not {text!r}")
    return value


def seconds(text: str) -> float:
    """A time over zero: ``30``, ``30s``, ``500ms``, ``5min``, ``1h``; in seconds."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in _SECONDS or not float(match[1]):
        raise InvalidInput(f"must be a time over zero such as 30, 500ms or 5min, not {text!r}")
    return float(match[1]) * _SECONDS[match[2]]


def port(text: str) -> int:
    """A TCP port, or 0 for any free one."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise InvalidInput(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


def count(text: str) -> int:
    """A whole number, zero or more."""
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput(f"must be a whole number, not {text!r}")
    return int(text)


def positive_count(text: str) -> int:
    """A whole number, one or more."""
    value = count(text)
    if not value:
        raise InvalidInput("must be one or more")
    return value


def switch(text: str) -> bool:
    """Yes or no, in the usual spellings."""
    folded = text.lower()
    if folded in ("yes", "true", "on", "1"):
        return True
    if folded in ("no", "false", "off", "0"):
        return False
    raise InvalidInput(f"must be yes or no, not {text!r}")


def choice(*words: str) -> Callable[[str], str]:
    """One of ``words``."""

    def parse(text: str) -> str:
        if text not in words:
            raise InvalidInput(f"must be {' or '.join(words)}, not {text!r}")
        return text

    return parse


def address(text: str) -> str:
    """An IP address or a host name."""
    if not _HOST.fullmatch(text):
        raise InvalidInput(f"must be an IP address or a host name, not {text!r}")
    return text


def ae_title(text: str) -> str:
    """An AE title (PS3.5 section 6.2)."""
    try:
        return check_ae_title(text)
    except InvalidAETitle as error:
        raise InvalidInput(f"must be an AE title: {error}") from error

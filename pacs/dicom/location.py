"""Where the bytes of a stored instance are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of an instance are: ``uri`` as its storage names it, and its transfer syntax.

    ``uri`` is a path relative to the storage, or an absolute path for an instance indexed in place.
    ``size`` is that of the whole object in bytes; ``mtime_ns`` its time of change.
    """

    uri: str
    transfer_syntax_uid: str
    size: int
    mtime_ns: int

"""The one error tree of the appliance.

::

    PacsError
    ├── InvalidInput            what came from outside cannot be used as it is
    │   ├── InvalidUID          a UID that PS3.5 section 9.1 does not allow
    │   ├── InvalidAETitle      an AE title that PS3.5 section 6.2 does not allow
    │   ├── InvalidQuery        an identifier or a query text that has no meaning
    │   ├── UnreadableDataSet   bytes that are no DICOM data set
    │   │   └── HeaderIncomplete    the beginning of a data set, too short to hold its whole header
    │   ├── DataSetMismatch     data set and the SOP class or instance announced for it disagree
    │   └── InvalidSettings     a setting that is unknown, or has no such value
    ├── NotFound                what was asked for is not here
    │   └── UnknownPeer         a move destination that the peer registry does not hold
    ├── OutOfResources          storage is full, under its reserve, or cannot be written
    ├── Unavailable             a part of the appliance cannot answer now, but may later
    │   ├── IndexUnavailable    the index cannot be opened, read or written
    │   ├── LeaseHeld           another process is the one index writer
    │   └── LeaseLost           this process is the index writer no longer
    ├── PeerFailure             a remote AE could not be reached, refused, or broke off
    └── DecodeFailure           pixel data that no installed decoder can decompress

Every message says in words what happened and what to do; none holds a patient attribute.
Adapters (dimse, console, cli) catch ``PacsError`` and turn it into a status, a page or an exit code.
"""

from __future__ import annotations


class PacsError(Exception):
    """The root: every failure that the appliance foresees."""


class InvalidInput(PacsError):
    """What came from outside cannot be used as it is."""


class InvalidUID(InvalidInput):
    """A UID that PS3.5 section 9.1 does not allow."""


class InvalidAETitle(InvalidInput):
    """An AE title that PS3.5 section 6.2 does not allow."""


class InvalidQuery(InvalidInput):
    """An identifier or a query text that has no meaning."""


class UnreadableDataSet(InvalidInput):
    """Bytes that are no DICOM data set."""


class HeaderIncomplete(UnreadableDataSet):
    """The beginning of a data set, too short to hold its whole header.

    ``needed`` is the number of bytes, from the beginning, without which reading cannot go on.
    """

    def __init__(self, message: str, needed: int = 0) -> None:
        super().__init__(message)
        self.needed = needed


class DataSetMismatch(InvalidInput):
    """Data set and the SOP class or SOP instance announced for it disagree."""


class InvalidSettings(InvalidInput):
    """A setting that is unknown, or has no such value."""


class NotFound(PacsError):
    """What was asked for is not here."""


class UnknownPeer(NotFound):
    """A move destination that the peer registry does not hold."""


class OutOfResources(PacsError):
    """Storage is full, under its reserve, or cannot be written."""


class Unavailable(PacsError):
    """A part of the appliance cannot answer now, but may later."""


class IndexUnavailable(Unavailable):
    """The index cannot be opened, read or written."""


class LeaseHeld(Unavailable):
    """Another process is the one index writer."""


class LeaseLost(Unavailable):
    """This process is the index writer no longer."""


class PeerFailure(PacsError):
    """A remote AE could not be reached, refused, or broke off."""


class DecodeFailure(PacsError):
    """Pixel data that no installed decoder can decompress."""

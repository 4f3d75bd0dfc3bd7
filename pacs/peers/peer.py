"""A peer: a remote AE that we are configured to talk to."""

from __future__ import annotations

from dataclasses import dataclass

from pacs import quantity
from pacs.dicom.uid import check_ae_title
from pacs.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote AE: its title, and the host and port where it accepts associations.

    Raises InvalidAETitle, or InvalidInput for a host or a port that cannot be one.
    """

    ae_title: str
    host: str
    port: int

    def __post_init__(self) -> None:
        check_ae_title(self.ae_title)
        try:
            quantity.address(self.host)
        except InvalidInput as error:
            raise InvalidInput(f"the host of peer {self.ae_title} {error}") from error
        if not 1 <= self.port <= 65535:
            raise InvalidInput(f"the port of peer {self.ae_title} must be from 1 to 65535, not {self.port}")

"""What a service on an association is."""

from __future__ import annotations

from typing import Protocol

from pacs.dimse.association import Association, Message


class Service(Protocol):
    """Serves one kind of request, from many associations at once."""

    def serve(self, association: Association, request: Message) -> None:
        """Carry the request out and answer it. Raises PeerFailure where the association is lost."""

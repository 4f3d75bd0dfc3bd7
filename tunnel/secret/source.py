"""The protocol of a secret store, and how one is named on a command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from tunnel.errors import TunnelError


class SecretSource(Protocol):
    """A store of secrets, each known by a name."""

    def read(self, name: str) -> bytes:
        """The secret of that name. Raises TunnelError, which never holds a part of the secret."""
        ...


def open_source(text: str) -> SecretSource:
    """``folder:PATH``, ``-`` (standard input) or ``aws:`` / ``aws:REGION``. Raises TunnelError.

    Each is imported only when it is named: boto3 is wanted by ``aws:`` alone.
    """
    kind, _, rest = text.partition(":")
    if text == "-":
        from tunnel.secret.stream import StreamSource

        return StreamSource(sys.stdin.buffer)
    if kind == "folder" and rest:
        from tunnel.secret.folder import FolderSource

        return FolderSource(Path(rest))
    if kind == "aws":
        from tunnel.secret.aws import secrets_manager

        return secrets_manager(rest or None)
    raise TunnelError(f"secrets come from folder:PATH, aws:REGION or - (standard input), not from {text!r}")

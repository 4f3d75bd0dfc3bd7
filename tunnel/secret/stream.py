"""Secrets from a stream that is read once: one JSON object of name and text, piped in by another program."""

from __future__ import annotations

import json
from typing import BinaryIO

from tunnel.errors import TunnelError


class StreamSource:
    """``{"name": "secret", ...}``. The stream is read to its end at the first question."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._secrets: dict[str, str] | None = None

    def read(self, name: str) -> bytes:
        """The text of that name, in UTF-8. Raises TunnelError."""
        if self._secrets is None:
            self._secrets = _parse(self._stream.read())
        if name not in self._secrets:
            raise TunnelError(f"standard input held no secret called {name!r}")
        return self._secrets[name].encode()


def _parse(content: bytes) -> dict[str, str]:
    try:
        secrets = json.loads(content)
    except ValueError:
        secrets = None  # the parser's message would repeat a part of what was read
    if not isinstance(secrets, dict) or not all(isinstance(text, str) for text in secrets.values()):
        raise TunnelError('standard input must hold one JSON object, {"name": "secret", ...}')
    return secrets

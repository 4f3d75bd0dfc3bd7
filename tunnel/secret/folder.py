"""Secrets as files of one folder, as container platforms mount them."""

from __future__ import annotations

from pathlib import Path

from tunnel.errors import TunnelError
from tunnel.private_file import read_file


class FolderSource:
    """The secret of a name is the file of that name in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """The file's content. Raises TunnelError, also for a name that leads out of the folder."""
        if name != Path(name).name:
            raise TunnelError(f"{name!r} is no file name")
        return read_file(self._folder / name)

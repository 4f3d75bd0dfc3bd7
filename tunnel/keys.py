"""The step that fetches keys before a tunnel starts, and again when they rotate: secrets into files.

It runs as the user that the tunnel runs as, for a file is readable by its owner alone
(0400). A file is written only
when its secret changed, in one rename, so ghostunnel's timed reload takes it up whole.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from tunnel.errors import TunnelError
from tunnel.private_file import read_file, write_private
from tunnel.secret.source import SecretSource

logger = logging.getLogger(__name__)

_PEM = b"-----BEGIN "


def write_keys(source: SecretSource, wanted: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Make each file of ``wanted`` (file name to secret name) in ``folder`` hold its secret.

    Returns the names of the files that changed. All secrets are read before the first file is written. Raises
    TunnelError for a file name that leads out of the folder, and for a secret that is no PEM.
    """
    for file_name in wanted:
        if file_name != Path(file_name).name or file_name[:1] in ("", "."):
            raise TunnelError(f"{file_name!r} is no file name")
    contents = {file_name: _pem(source, secret) for file_name, secret in wanted.items()}
    changed = tuple(name for name, content in contents.items() if _differs(folder / name, content))
    for name in changed:
        write_private(folder / name, contents[name], replace=True)
        logger.info("wrote %s", folder / name)
    return changed


def _pem(source: SecretSource, secret: str) -> bytes:
    content = source.read(secret)
    if _PEM not in content:
        raise TunnelError(f"the secret {secret!r} is no PEM: nothing was written")
    return content if content.endswith(b"\n") else content + b"\n"


def _differs(path: Path, content: bytes) -> bool:
    """Also true where others may read the file: it is written anew, with the right mode."""
    return not path.exists() or path.stat().st_mode & 0o377 != 0 or read_file(path) != content

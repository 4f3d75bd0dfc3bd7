"""Files that only their owner may read, replaced in one step.

A file is written beside its place, with mode 0400 from its first moment on, synced, and renamed: whoever
reads meanwhile, or after a crash, sees the old file or the new one, whole. ghostunnel's sandbox opens the
folder to it, so that it may read the replacement too; a symbolic link to elsewhere would end that.
"""

from __future__ import annotations

import os
from pathlib import Path

from tunnel.errors import TunnelError

_MODE = 0o400


def write_private(path: Path, content: bytes, *, replace: bool) -> None:
    """Make ``path`` hold ``content``, readable by its owner alone. Raises TunnelError.

    An existing file is refused unless ``replace``. The folder is made, with mode 0700, where it is missing.
    """
    if not replace and path.exists():
        raise TunnelError(f"{path} exists already; --force replaces it")
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _publish(draft, path, replace)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise TunnelError(f"{path} exists already; --force replaces it") from None
    except OSError as error:
        raise TunnelError(f"{path} cannot be written: {error.strerror}") from error


def read_file(path: Path) -> bytes:
    """The content of ``path``. Raises TunnelError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TunnelError(f"{path} cannot be read: {error.strerror}") from error


def _publish(draft: Path, path: Path, replace: bool) -> None:
    if replace:
        os.replace(draft, path)
    else:
        os.link(draft, path)  # unlike a rename, fails where somebody was quicker
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

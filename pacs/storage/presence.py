"""Presence: a locked file that tells other processes and hosts that its owner is alive.

A process number means nothing on another host, and on one host it comes back. An advisory lock does
neither: the kernel drops it with the process, and a file server (NFSv4.1) with the client's lease.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import secrets
import socket
from pathlib import Path

_sequence = itertools.count()


def producer_name() -> str:
    """A name that no other process, now or later, has: host, process, random part."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f"{host}.{os.getpid()}.{secrets.token_hex(4)}{next(_sequence):x}"


def open_locked(path: Path, flags: int) -> int:
    """Create the file ``path``, locked by us from its first moment, and open it with ``flags``.

    It is made and locked under another name first: nobody ever sees it there without its lock.
    Returns the descriptor; closing it gives up the lock. Raises OSError.
    """
    beginning = path.with_name(f".{path.name}.new")
    descriptor = os.open(beginning, os.O_CREAT | os.O_EXCL | flags, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(beginning, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_alive(path: Path) -> bool:
    """The owner of the locked file ``path`` is still there; a missing file has no owner."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False

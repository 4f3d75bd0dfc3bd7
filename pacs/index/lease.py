"""Lease: who may write the index. One process at a time, and one that lost it finds out before it commits.

A lease file is held by an advisory lock (flock; on NFSv4 a lock of the whole file at the server), which the
kernel gives back however the process ends. Because a server may forget a lock, the holder also writes a token
into the file and looks for it before every commit: a writer that another one has followed stops, it does not
overwrite.
The file is never deleted, for a lock on a deleted file keeps nobody out.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import weakref
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from pacs.errors import IndexUnavailable, LeaseHeld, LeaseLost

_MOST_BYTES = 4096


class Lease:
    """The right to write, kept in the file ``path``. Safe in threads; a forked child does not hold it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._token = ""
        # A child that kept the descriptor would keep the lock beyond its parent's death.
        os.register_at_fork(after_in_child=_calling_let_go(weakref.ref(self)))

    def acquire(self) -> None:
        """Take the lease. Raises LeaseHeld where another process (or lease) has it, IndexUnavailable."""
        with self._lock:
            if self._descriptor is not None:
                raise LeaseHeld("This process is the index writer already.")
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
            except OSError as error:
                raise IndexUnavailable(
                    f"The lease file {self._path} cannot be opened: {error.strerror}. Check who owns it."
                ) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._token = _write(descriptor)
            except OSError as error:
                told = _read(descriptor)
                os.close(descriptor)
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    raise LeaseHeld(_held(told)) from None
                raise IndexUnavailable(
                    f"The lease file {self._path} cannot be locked or written: {error.strerror}."
                ) from error
            self._descriptor = descriptor

    def check(self) -> None:
        """Raise LeaseLost unless this process is still the writer. Costs an open and a read."""
        with self._lock:
            if self._descriptor is None:
                raise LeaseLost("This process does not hold the lease of the index; it may not write.")
            try:
                # Opened anew: on NFS only an open is sure to see what another host has written.
                fresh = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    told = _read(fresh)
                finally:
                    os.close(fresh)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LeaseLost(
                    f"The lease of the index cannot be confirmed ({error.strerror}); this process stops."
                ) from error
            if told.get("token") != self._token:
                raise LeaseLost(
                    f"{_writer(told)} has become the index writer in place of this process, which stops."
                )

    def release(self) -> None:
        """Give the lease back; harmless where it is not held."""
        with self._lock:
            self._let_go()

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _let_go(self) -> None:
        descriptor, self._descriptor, self._token = self._descriptor, None, ""
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _calling_let_go(reference: weakref.ref[Lease]) -> Any:
    def in_child() -> None:
        lease = reference()
        if lease is not None:
            # Closing a copy of the descriptor leaves the parent's lock alone; unlocking would not.
            lease._lock = threading.Lock()
            lease._let_go()

    return in_child


def _write(descriptor: int) -> str:
    token = secrets.token_hex(16)
    told = {
        "epoch": _read(descriptor).get("epoch", 0) + 1,
        "token": token,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(told).encode(), 0)
    os.fsync(descriptor)
    return token


def _read(descriptor: int) -> dict[str, Any]:
    try:
        told = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("epoch"), int) else {}


def _writer(told: dict[str, Any]) -> str:
    return f"Process {told.get('pid', '?')} on {told.get('host', 'an unknown host')}"


def _held(told: dict[str, Any]) -> str:
    return (
        f"{_writer(told)} writes this index since {told.get('since', 'an unknown time')}. "
        "Stop it first, or use another data folder. If it is gone, its host still holds the lock: "
        "end what is left of it there."
    )

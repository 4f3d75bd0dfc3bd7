"""The peer registry: one JSON file, replaced atomically, read anew whenever it changed.

A running server and ``pacs peer`` share the file and nothing else. Each look-up costs one ``stat``; the file
is read again when its time, inode or size differs. Edits hold a lock file, so that two at once both count:
``flock``, which NFS turns into a lock of the server's, and which threads of one process respect as well.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pacs.errors import InvalidInput, Unavailable, UnknownPeer
from pacs.peers.peer import Peer

VERSION = 1
_KEYS = {"ae_title", "host", "port"}
_Signature = tuple[int, int, int]


class PeerRegistry:
    """The peers in the file ``path``, which need not exist. May be used from many threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._signature: _Signature | None = None
        self._peers: dict[str, Peer] = {}

    def get(self, ae_title: str) -> Peer:
        """The peer of that title. Raises UnknownPeer, or Unavailable where the file cannot be understood."""
        try:
            return self._current()[ae_title]
        except KeyError:
            raise UnknownPeer(
                f"no peer has the AE title {ae_title!r}; 'pacs peer add' makes one known"
            ) from None

    def all(self) -> tuple[Peer, ...]:
        """Every peer, by AE title. Raises Unavailable."""
        return tuple(peer for _, peer in sorted(self._current().items()))

    def add(self, peer: Peer) -> Peer | None:
        """Make ``peer`` known; the one of the same title that it replaces, or None. Raises Unavailable."""
        with self._editing() as peers:
            earlier = peers.get(peer.ae_title)
            peers[peer.ae_title] = peer
        return earlier

    def remove(self, ae_title: str) -> Peer:
        """Forget the peer of that title, and return it. Raises UnknownPeer, Unavailable."""
        with self._editing() as peers:
            if ae_title not in peers:
                raise UnknownPeer(
                    f"no peer has the AE title {ae_title!r}; 'pacs peer list' shows those known"
                )
            return peers.pop(ae_title)

    def _current(self) -> dict[str, Peer]:
        with self._lock:
            signature = self._stat()
            if signature != self._signature:
                self._peers = self._read()
                self._signature = signature
            return self._peers

    def _stat(self) -> _Signature | None:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error.strerror or "") from error
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> dict[str, Peer]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise self._unreadable(str(error)) from error
        try:
            return {peer.ae_title: peer for peer in _parse(text)}
        except InvalidInput as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, reason: str) -> Unavailable:
        return Unavailable(f"the peers in {self._path} cannot be read: {reason}")

    @contextmanager
    def _editing(self) -> Iterator[dict[str, Peer]]:
        """The peers as they are now, to change; written back unless the block raises."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Unavailable(f"the peers in {self._path} cannot be changed: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            peers = self._read()
            yield peers
            self._write(peers)
        finally:
            os.close(lock)

    def _write(self, peers: dict[str, Peer]) -> None:
        rows = [
            {"ae_title": peer.ae_title, "host": peer.host, "port": peer.port}
            for _, peer in sorted(peers.items())
        ]
        draft = self._path.with_name(self._path.name + ".new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump({"version": VERSION, "peers": rows}, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unavailable(f"the peers in {self._path} cannot be changed: {error.strerror}") from error


def _parse(text: str) -> Iterator[Peer]:
    """Peers of the file's text. An unknown key is refused: writing the file again would lose it."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"not JSON ({error})") from error
    if not isinstance(content, dict) or not isinstance(content.get("peers"), list):
        raise InvalidInput('a JSON object with a list of "peers" is wanted')
    if content.get("version") != VERSION or set(content) != {"version", "peers"}:
        raise InvalidInput(f"it was written by another version of pacs (this one knows version {VERSION})")
    for row in content["peers"]:
        if not isinstance(row, dict) or set(row) != _KEYS:
            raise InvalidInput(f"each peer has exactly {', '.join(sorted(_KEYS))}")
        ae_title, host, port = row["ae_title"], row["host"], row["port"]
        if not isinstance(ae_title, str) or not isinstance(host, str) or type(port) is not int:
            raise InvalidInput("ae_title and host are texts, port is a number")
        yield Peer(ae_title, host, port)

"""Runs ghostunnel, one process for each tunnel: starts, watches, restarts, and follows the peer registry.

One thread, one loop. It sleeps until a process ends (its pidfd becomes readable), a signal comes, a waiting
tunnel is due, or a second passed, and then looks whether the peer registry's file changed. A tunnel whose
settings changed gets a new process while the old one ends with its connections. A registry that makes no
sense leaves everything as it is, and says so in the state.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from tunnel.backoff import Backoff
from tunnel.child import Child, State
from tunnel.errors import TunnelError
from tunnel.peer import TLSPeers, read_peers
from tunnel.plan import Plan, plan
from tunnel.settings import Process, Tunnel
from tunnel.state import Document, document, earlier_ports, write_document

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # between two looks at the peer registry's file
_READY_SECONDS = 0.1  # between two looks whether a process that was started is ready
_ALIVE_SECONDS = 5.0  # between two writings of a state that did not change


@dataclass(frozen=True, slots=True)
class Supervision:
    """What is supervised: ``fixed`` tunnels by name, and one for each TLS peer in the registry ``peers``.

    ``template`` gives outbound tunnels their files and times, ``ports`` their loopback ports; ``program`` is
    ghostunnel's path.
    """

    program: str
    state: Path
    template: Process
    peers: Path | None = None
    ports: range = range(17700, 17900)
    fixed: Mapping[str, Tunnel] = field(default_factory=dict)
    backoff: Backoff = field(default_factory=Backoff)


class Supervisor:
    """Runs the tunnels from ``run`` until ``stop``. Run it in the main thread, for the sake of signals."""

    def __init__(self, supervision: Supervision, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._supervision = supervision
        self._clock = clock
        self._children: dict[str, Child] = {}
        self._leaving: list[tuple[Child, float]] = []
        self._plan = Plan({}, {}, {}, earlier_ports(supervision.state))
        self._signature: tuple[int, int, int] | None = None
        self._problem = ""
        self._stopping = False
        self._reloading = False
        self._written: tuple[float, Document] | None = None
        self._current: Document = {"tunnels": {}, "problem": "it is starting", "refused": {}}

    def current(self) -> Document:
        """The state as last written; for any thread."""
        return self._current

    def stop(self) -> None:
        """Have ``run`` end once every tunnel did, or its time is over."""
        self._stopping = True

    def run(self) -> None:
        """Run the tunnels until SIGTERM, SIGINT or ``stop``; SIGHUP has them read their keys anew.

        Raises TunnelError when the first plan cannot be made or the state cannot be written.
        """
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        earlier_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        earlier = {
            number: signal.signal(number, self._signalled)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }
        try:
            self._follow(first=True)
            while not self._stopping:
                self._turn(reader)
            self._end(reader)
        finally:
            for child in (*self._children.values(), *(child for child, _ in self._leaving)):
                child.kill()
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
            os.close(reader)
            os.close(writer)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reloading = True
        else:
            self._stopping = True

    def _turn(self, wakeup: int) -> None:
        self._sleep(wakeup)
        self._reap()
        self._follow()
        if self._reloading:
            self._reloading = False
            for child in self._children.values():
                child.reload()
        now = self._clock()
        for child in self._children.values():
            if child.state is State.WAITING and child.retry_at <= now and not self._stopping:
                child.start(now)
            child.look()
        self._write()

    def _sleep(self, wakeup: int) -> None:
        """Until something happens, or something is due."""
        now = self._clock()
        due = [now + _LOOK_SECONDS]
        for child in self._children.values():
            if child.state is State.WAITING:
                due.append(child.retry_at)
            elif child.state is State.STARTING:
                due.append(now + _READY_SECONDS)
        watched = [child.pidfd for child in self._children.values() if child.pidfd is not None]
        watched += [child.pidfd for child, _ in self._leaving if child.pidfd is not None]
        poll = select.poll()  # unlike select(), not limited to file descriptors under 1024
        for descriptor in (wakeup, *watched):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, min(due) - now) * 1000)
        with suppress(BlockingIOError):
            os.read(wakeup, 4096)

    def _reap(self) -> None:
        now = self._clock()
        for child in self._children.values():
            child.ended(now)
        remaining = []
        for child, deadline in self._leaving:
            child.ended(now)
            if child.state is not State.STOPPED:
                if now >= deadline:
                    child.kill()
                remaining.append((child, deadline))
        self._leaving = remaining

    def _follow(self, *, first: bool = False) -> None:
        """Make the tunnels those of the peer registry, if its file changed."""
        signature = self._stat()
        if signature == self._signature and not first:
            return
        self._signature = signature
        peers = self._supervision.peers
        try:
            found = TLSPeers((), {}) if peers is None else read_peers(peers)
            self._apply(
                plan(
                    self._supervision.fixed,
                    found,
                    self._supervision.template,
                    self._supervision.ports,
                    self._plan.ports,
                )
            )
            self._problem = ""
        except TunnelError as error:
            if first:
                raise
            self._problem = str(error)
            logger.error("the tunnels stay as they are: %s", error)

    def _stat(self) -> tuple[int, int, int] | None:
        if self._supervision.peers is None:
            return None
        try:
            status = os.stat(self._supervision.peers)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _apply(self, wanted: Plan) -> None:
        for name, child in list(self._children.items()):
            if wanted.tunnels.get(name) != child.tunnel:
                self._leave(self._children.pop(name))
        for name, tunnel in wanted.tunnels.items():
            if name not in self._children:
                self._children[name] = Child(
                    name, tunnel, self._supervision.program, self._supervision.backoff
                )
        for ae_title, reason in wanted.refused.items():
            logger.error("peer %s has no tunnel: %s", ae_title, reason)
        self._plan = wanted

    def _leave(self, child: Child) -> None:
        child.stop()
        if child.state is State.STOPPING:
            self._leaving.append((child, self._clock() + _kill_after(child.tunnel.process)))

    def _end(self, wakeup: int) -> None:
        for child in self._children.values():
            self._leave(child)
        while self._leaving:
            self._write()
            self._sleep(wakeup)
            self._reap()
        self._write()

    def _write(self) -> None:
        """Write the state if it changed, or was written some seconds ago."""
        now = self._clock()
        children = sorted(self._children.values(), key=lambda child: child.name)
        content = document(self._plan, children, self._problem, os.getpid(), datetime.now(UTC))
        if self._written is not None:
            at, before = self._written
            if now - at < _ALIVE_SECONDS and {**before, "alive_at": content["alive_at"]} == content:
                return
        first = self._written is None
        self._written, self._current = (now, content), content
        try:
            write_document(self._supervision.state, content)
        except TunnelError as error:
            if first:
                raise
            logger.error("the tunnels run on without it: %s", error)


def _kill_after(process: Process) -> float:
    """Seconds after which a tunnel that was asked to end is killed: past its limit, before ours is over."""
    return (process.shutdown_timeout + process.stop_timeout) / 2

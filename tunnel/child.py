"""One tunnel's process and what became of it: started, found ready, ended, waiting to be started again."""

from __future__ import annotations

import logging
import os
import random
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from tunnel import launch
from tunnel.backoff import Backoff
from tunnel.command import command
from tunnel.settings import Tunnel

logger = logging.getLogger(__name__)

_READY_SECONDS = 0.2  # how long a connection to a loopback port may take before it counts as refused


class State(StrEnum):
    """RUNNING: its status port answers. WAITING: for its next start. STOPPING: it was asked to end."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True)
class Child:
    """A tunnel and its process. Not for several threads; the supervisor's loop alone uses it.

    ``retry_at`` is on the monotonic clock that is handed in; ``since`` is the wall clock's time of the last
    change of state, for people.
    """

    name: str
    tunnel: Tunnel
    program: str
    backoff: Backoff
    state: State = State.WAITING
    reason: str = ""
    restarts: int = 0
    retry_at: float = 0.0
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    pidfd: int | None = None
    _process: subprocess.Popen[bytes] | None = None
    _started_at: float = 0.0
    _failures: int = 0

    @property
    def pid(self) -> int | None:
        """The process's id while there is one."""
        return None if self._process is None else self._process.pid

    def start(self, now: float) -> None:
        """Start the process, with an empty environment: whatever it needs is on its command line."""
        arguments = command(self.tunnel, self.program)
        starter = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [*starter, *arguments], stdin=subprocess.DEVNULL, env={}, process_group=0
            )
        except OSError as error:
            self._retry(now, f"it cannot be started: {error.strerror}")
            return
        self.pidfd = os.pidfd_open(self._process.pid)
        self._started_at = now
        self._enter(State.STARTING, "")

    def look(self) -> None:
        """Find out whether a process that was started is ready: its status port takes connections."""
        if self.state is State.STARTING and _accepts(self.tunnel):
            self._enter(State.RUNNING, "")
            logger.info("%s is running, process %s, on %s", self.name, self.pid, self.tunnel.listen)

    def reload(self) -> None:
        """Have the process read its key, certificate and authorities anew."""
        if self._process is not None and self.state in (State.STARTING, State.RUNNING):
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """Ask the process to end once its connections did."""
        if self._process is None:
            self._enter(State.STOPPED, "")
        elif self.state is not State.STOPPING:
            self._process.terminate()
            self._enter(State.STOPPING, "")

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            logger.warning("%s did not end in time: its connections are cut", self.name)
            self._process.kill()

    def ended(self, now: float) -> None:
        """The process ended, as its pidfd tells: note how, and when to start it again."""
        if self._process is None or self._process.poll() is None:
            return
        status = self._process.returncode
        self._process = None
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self.state is State.STOPPING:
            self._enter(State.STOPPED, "")
            logger.info("%s stopped", self.name)
            return
        if now - self._started_at >= self.backoff.steady:
            self._failures = 0
        self._retry(now, f"it ended with {_status_text(status)}")

    def _retry(self, now: float, reason: str) -> None:
        self._failures += 1
        self.restarts += 1
        delay = self.backoff.delay(self._failures, random.random)
        self.retry_at = now + delay
        self._enter(State.WAITING, reason)
        logger.warning("%s: %s; again in %.1f s", self.name, reason, delay)

    def _enter(self, state: State, reason: str) -> None:
        self.state, self.reason, self.since = state, reason, datetime.now(UTC)


def _accepts(tunnel: Tunnel) -> bool:
    status = tunnel.process.status
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(status.host, status.host)  # noqa: S104
    try:
        socket.create_connection((host, status.port), _READY_SECONDS).close()
    except OSError:
        return False
    return True


def _status_text(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"

"""The crew: worker processes that serve associations, started, supervised and ended by the main process.

The main process accepts connections and hands each to the worker with the fewest. One thread starts the
workers, hears what they tell, and replaces those that die; the kernel ends them with that thread.
"""

from __future__ import annotations

import logging
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pacs.app.board import Board
from pacs.app.channel import (
    Begin,
    Happened,
    Order,
    Ready,
    Report,
    Reported,
    Serve,
    Stop,
    new_pair,
    receive_answer,
    send_order,
)
from pacs.app.settling import answer_settling
from pacs.app.shutdown import SIGNALS
from pacs.archive.observer import Caller, Observer, Operation
from pacs.dimse.listener import Listener
from pacs.dimse.reception import SPARE_THREADS
from pacs.errors import Unavailable
from pacs.settings import Settings

logger = logging.getLogger(__name__)

START_SECONDS = 60.0
"""How long the first worker may take to start."""
PAUSE_SECONDS = (0.1, 5.0)
"""First and longest pause before a worker is replaced; it doubles while they die young."""
YOUNG_SECONDS = 10.0
GRACE_SECONDS = 5.0
"""What a worker may take to end, over the time that it is given for its operations."""
REPORT_SECONDS = 1.0
NOBODY = Caller()


@dataclass(eq=False, slots=True)
class _Member:
    """A worker process; ``handed`` counts the connections it was given."""

    seat: int
    process: subprocess.Popen[bytes]
    control: socket.socket
    began: float = field(default_factory=time.monotonic)
    ready: bool = False
    handed: int = 0
    reported: int = 0


class Crew:
    """Workers for ``settings``.

    ``settle`` is called for them, in threads of the crew's; ``observer`` is told of what they did, without
    callers; ``failed`` is called when workers can no longer be supervised.
    """

    def __init__(
        self,
        settings: Settings,
        settle: Callable[[], None],
        observer: Observer,
        failed: Callable[[Unavailable], None],
    ) -> None:
        self._settings = settings
        self._settle = settle
        self._observer = observer
        self._failed = failed
        self._board = Board(settings.workers)
        self._changed = threading.Condition()
        self._members: dict[int, _Member] = {}
        self._due: dict[int, float] = dict.fromkeys(range(settings.workers), 0.0)
        self._pauses = [PAUSE_SECONDS[0]] * settings.workers
        self._deaths = 0
        self._reports = 0
        self._stopping = False
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._woken, self._waking = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._listener: Listener | None = None
        self._thread = threading.Thread(target=self._run, name="crew", daemon=True)

    def begin(self) -> None:
        """Start the workers, and wait for nothing."""
        self._thread.start()

    def start(self) -> None:
        """Listen and accept, once a worker is ready. Raises Unavailable."""
        settings = self._settings
        listener = Listener(settings.bind, settings.dimse_port, self._take)
        with self._changed:
            self._listener = listener
            self._changed.wait_for(
                lambda: self._ready() or self._deaths >= settings.workers or self._stopping, START_SECONDS
            )
            if not self._ready():
                raise Unavailable("No worker process could start; the log tells why.")
        listener.start()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""
        if self._listener is None:
            raise Unavailable("the DIMSE server is not started")
        return self._listener.address

    @property
    def active(self) -> int:
        """How many associations there are now."""
        with self._changed:
            return 0 if self._closed else self._board.associations()

    def report(self) -> int:
        """Have the observer told of all that was done until now; how many workers answered in time."""
        with self._changed:
            self._reports += 1
            number = self._reports
            asked = self._ready()
            for member in asked:
                _send(member, Report(number))
            self._changed.wait_for(
                lambda: all(m.reported >= number or m.seat not in self._members for m in asked),
                REPORT_SECONDS,
            )
            return sum(member.reported >= number for member in asked)

    def shutdown(self, drain_seconds: float) -> None:
        """Stop accepting, let running operations end for ``drain_seconds``, then end all workers.

        May be called again, from another thread, to shorten that.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._listener is not None:
            self._listener.close()
        with self._changed:
            for member in self._members.values():
                _send(member, Stop(drain_seconds))
            if not self._closed:
                self._waking.send(b"\0")
        if self._thread.ident is None:
            return
        self._thread.join(drain_seconds + GRACE_SECONDS)
        with self._changed:
            left = list(self._members.values())
        for member in left:
            logger.warning("Worker %d does not end and is killed", member.process.pid)
            member.process.kill()
        self._thread.join(GRACE_SECONDS)
        self._close()

    def _close(self) -> None:
        with self._changed:
            if self._closed or self._thread.is_alive():
                return
            self._closed = True
        self._selector.close()
        self._woken.close()
        self._waking.close()
        self._board.close()

    def _take(self, sock: socket.socket, address: str) -> None:
        """Hand a connection to the worker with the fewest; close it where there are too many."""
        with sock, self._changed:
            while True:
                # While all are being replaced, who comes waits in the backlog of the listener.
                self._changed.wait_for(lambda: self._stopping or self._ready())
                members = self._ready()
                is_full = sum(map(self._busy, members)) >= self._settings.max_associations + SPARE_THREADS
                if self._stopping or is_full:
                    logger.debug("%s: closed, too many connections or shutting down", address)
                    return
                for member in sorted(members, key=self._busy):
                    if _send(member, Serve(address), (sock.fileno(),)):
                        member.handed += 1
                        return
                # They are dead and not buried yet, or have not read what they were given before.
                self._changed.wait(PAUSE_SECONDS[0])

    def _ready(self) -> list[_Member]:
        return [member for member in self._members.values() if member.ready]

    def _busy(self, member: _Member) -> int:
        return member.handed - self._board.ended(member.seat)

    def _run(self) -> None:
        # What this thread blocks, a worker has blocked from its first moment on.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            while not self._stopping or self._members:
                self._start_those_due()
                for key, _ in self._selector.select(self._seconds_to_next()):
                    if key.fileobj is self._woken:
                        self._woken.recv(64)
                    else:
                        self._hear(key.data)
        except Exception:
            logger.exception("The workers can no longer be supervised")
            self._failed(Unavailable("The workers can no longer be supervised; see the log."))

    def _seconds_to_next(self) -> float | None:
        if self._stopping or not self._due:
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for seat in [seat for seat, moment in self._due.items() if moment <= now]:
            with self._changed:
                if self._stopping:
                    return
                try:
                    member = self._members[seat] = self._spawn(seat)
                except OSError as error:
                    logger.error("A worker cannot be started: %s", error.strerror)
                    self._put_off(seat)
                    continue
                del self._due[seat]
                self._selector.register(member.control, selectors.EVENT_READ, member)

    def _spawn(self, seat: int) -> _Member:
        self._board.wipe(seat)
        ours, theirs = new_pair()
        settling, asking = new_pair()
        with theirs, asking:
            process = subprocess.Popen(  # noqa: S603 - nothing of it comes from outside
                [sys.executable, "-P", "-m", "pacs.app.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
            member = _Member(seat, process, ours)
            begin = Begin(self._settings, seat, self._settings.workers)
            send_order(ours, begin, (self._board.descriptor, asking.fileno()))
        threading.Thread(
            target=answer_settling, args=(settling, self._settle), name=f"settle-{seat}", daemon=True
        ).start()
        return member

    def _hear(self, member: _Member) -> None:
        answer = receive_answer(member.control)
        match answer:
            case Happened(operations, changes):
                for o in operations:
                    self._observer.operation(
                        Operation(o.name, o.status, NOBODY, o.seconds, o.size, o.count, o.failed)
                    )
                for change in changes:
                    self._observer.association(change, NOBODY)
            case Ready():
                with self._changed:
                    member.ready = True
                    self._changed.notify_all()
            case Reported(number):
                with self._changed:
                    member.reported = number
                    self._changed.notify_all()
            case None:
                self._bury(member)

    def _bury(self, member: _Member) -> None:
        """A worker closed its end: it has ended, or is about to."""
        self._selector.unregister(member.control)
        member.control.close()
        try:
            code = member.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            member.process.kill()
            code = member.process.wait()
        with self._changed:
            del self._members[member.seat]
            self._board.wipe(member.seat)
            self._deaths += 1
            if not self._stopping:
                how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
                logger.error("Worker %d ended %s and is replaced", member.process.pid, how)
                if time.monotonic() - member.began >= YOUNG_SECONDS:
                    self._pauses[member.seat] = PAUSE_SECONDS[0]
                self._put_off(member.seat)
            self._changed.notify_all()

    def _put_off(self, seat: int) -> None:
        pause = self._pauses[seat]
        self._due[seat] = time.monotonic() + pause
        self._pauses[seat] = min(pause * 2, PAUSE_SECONDS[1])


def _send(member: _Member, order: Order, descriptors: tuple[int, ...] = ()) -> bool:
    """Whether ``order`` reached the worker's socket. One that is dying will be buried soon."""
    try:
        send_order(member.control, order, descriptors)
    except OSError as error:
        logger.debug("Worker %d does not listen: %s", member.process.pid, error.strerror)
        return False
    return True

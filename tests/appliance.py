"""The appliance as a user runs it: ``pacs`` in a process of its own, watched from outside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.wire import Association

PROGRAM = str(Path(sys.executable).parent / "pacs")
START_SECONDS = 60.0
STOP_SECONDS = 90.0


def free_port() -> int:
    """A TCP port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    """Ours without any ``PACS_`` variable, and with logs as JSON lines."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PACS_")}


class Appliance:
    """One data folder, and the server that may run on it; ports stay the same over restarts."""

    def __init__(
        self, data: Path, *options: str, storage: Path | None = None, env: dict[str, str] | None = None
    ):
        self.data = data
        self.storage = storage or data / "archive"
        self.options = [*options, *(["--storage", str(storage)] if storage else [])]
        self.env = {**environment(), **(env or {})}
        self.dimse_port, self.http_port = free_port(), free_port()
        self.log = data.parent / f"{data.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def processes(self) -> list[int]:
        """The process IDs of the running server and of its workers."""
        found = [self.pid]
        for children in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # a thread that ended
                found += map(int, children.read_text().split())
        return found

    @property
    def pid(self) -> int:
        """The process ID of the running server."""
        assert self.process is not None
        return self.process.pid

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start ``pacs serve`` and wait for nothing."""
        assert self.process is None or self.process.poll() is not None, "the server runs already"
        command = [
            *(PROGRAM, "serve", "--data", str(self.data), "--bind", "127.0.0.1"),
            *("--dimse-port", str(self.dimse_port), "--http-port", str(self.http_port), *self.options),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env
            )
        return self.process

    def start(self) -> None:
        """Start ``pacs serve`` and wait until /health/ready says 200."""
        process = self.spawn()
        deadline = time.monotonic() + START_SECONDS
        while self.http_status("/health/ready") != 200:
            if process.poll() is not None:
                raise AssertionError(f"pacs serve ended with {process.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"pacs serve was not ready within {START_SECONDS:g} s:\n{self.tail()}")
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> str:
        """The body of an HTTP answer, whatever its status."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                body: bytes = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                body = error.read()
        return body.decode()

    def http_status(self, path: str) -> int:
        """The status of an HTTP answer; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=10) as answer:
                status: int = answer.status
                return status
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except (OSError, urllib.error.URLError):
            return 0

    def metric(self, pattern: str) -> float:
        """The sum of all samples in /metrics whose line matches ``pattern``."""
        lines = self.get("/metrics").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(pattern, line))

    def resident_bytes(self, peak: bool = False) -> int:
        """The resident memory of the server and its workers, now or as the sum of their peaks."""
        name = "VmHWM" if peak else "VmRSS"
        total = 0
        for pid in self.processes():
            found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
            assert found
            total += int(found[1]) * 1024
        return total

    def forget_peak(self) -> None:
        """Let the kernel measure the peaks of resident memory from now on."""
        for pid in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def threads(self) -> int:
        """How many threads the server and its workers have."""
        return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in self.processes())

    def open_files(self) -> int:
        """How many files and sockets the server and its workers have open."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.processes())

    def log_text(self) -> str:
        """What the server has logged so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_records(self) -> list[dict[str, object]]:
        """The log's lines that are JSON objects."""
        records = []
        for line in self.log_text().splitlines():
            with contextlib.suppress(ValueError):
                record = json.loads(line)
                if isinstance(record, dict):
                    records.append(record)
        return records

    def tail(self) -> str:
        """The end of the log, for messages."""
        return self.log_text()[-4000:]

    def pacs(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run another ``pacs`` command on the same data folder, and wait for its end."""
        storage = ["--storage", str(self.storage)] if self.storage != self.data / "archive" else []
        takes_storage = arguments[0] in ("index", "rebuild", "verify")
        command = [PROGRAM, *arguments, "--data", str(self.data)]
        result = subprocess.run(
            [*command, *(storage if takes_storage else [])],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if check:
            assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout}\n{result.stderr}"
        return result

    def association(self, contexts: Sequence[tuple[str, Sequence[str]]], **options: object) -> Association:
        """An association to the server, to be entered with ``with``."""
        return Association("127.0.0.1", self.dimse_port, contexts, **options)  # type: ignore[arg-type]

    def stored_files(self) -> list[Path]:
        """Every file that anyone who looks into the storage sees as an object."""
        return sorted(path for path in self.storage.rglob("*.dcm") if ".incoming" not in path.parts)

    def unfinished_files(self) -> list[Path]:
        """What is left of objects that were being written; the lock files of processes are not."""
        found = self.storage.glob(".incoming/**/*")
        return sorted(path for path in found if path.is_file() and path.suffix != ".lock")


@contextlib.contextmanager
def running(appliance: Appliance) -> Iterator[Appliance]:
    """Start ``appliance``; at the end stop it, and expect exit code 0 if it still runs and nothing failed."""
    try:
        appliance.start()
        yield appliance
        process = appliance.process
        if process is not None and process.poll() is None:
            assert appliance.stop() == 0, appliance.tail()
    finally:
        appliance.kill()

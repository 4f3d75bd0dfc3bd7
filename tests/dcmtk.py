"""DCMTK's command line tools as clients of the appliance."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import Dataset

from tests.appliance import Appliance, free_port
from tests.tool import tool

TIMEOUT_SECONDS = 120

PROPOSE = {
    "1.2.840.10008.1.2": "-xi",
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.2": "-xb",
    "1.2.840.10008.1.2.1.99": "-xd",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""The option of storescu that proposes a transfer syntax; with + in place of - getscu's that prefers it."""


def run(
    program: str, *arguments: str, check: bool = True, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one of DCMTK's tools, in ``folder`` where given. Its messages are in ``stdout``."""
    result = subprocess.run(
        [tool(program), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "TCP_NODELAY": "1"},
        check=False,
    )
    if check:
        assert result.returncode == 0, f"{program} {' '.join(arguments)}:\n{result.stdout[-3000:]}"
    return result


def _at(appliance: Appliance) -> list[str]:
    return ["127.0.0.1", str(appliance.dimse_port)]


def echo(appliance: Appliance) -> None:
    """C-ECHO."""
    run("echoscu", "-aec", "PACS", *_at(appliance))


def store(appliance: Appliance, paths: Sequence[Path], *options: str, check: bool = True) -> str:
    """C-STORE of files over one association; what storescu said."""
    result = run(
        "storescu",
        "-v",
        "-R",
        "-nh",
        "-aec",
        "PACS",
        *options,
        *_at(appliance),
        *map(str, paths),
        check=check,
    )
    return result.stdout


def find(
    appliance: Appliance,
    keys: Mapping[str, str],
    *options: str,
    model: str = "-S",
    query: Dataset | None = None,
) -> list[Dataset]:
    """C-FIND; ``keys`` by keyword. The answers' identifiers, decoded."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [argument for key, value in keys.items() for argument in ("-k", f"{key}={value}")]
        files = []
        if query is not None:
            files = [f"{folder}/query"]
            query.save_as(files[0], implicit_vr=False, little_endian=True)
        run(
            "findscu",
            model,
            "-aec",
            "PACS",
            *options,
            "-X",
            "-od",
            folder,
            *arguments,
            *_at(appliance),
            *files,
        )
        return [pydicom.dcmread(path, force=True) for path in sorted(Path(folder).glob("rsp*.dcm"))]


def move(
    appliance: Appliance,
    keys: Mapping[str, str],
    *options: str,
    destination: str,
    folder: Path | None = None,
    port: int = 0,
    model: str = "-S",
    check: bool = True,
) -> str:
    """C-MOVE; received by movescu itself into ``folder`` where ``port`` is given. What movescu said."""
    arguments = [argument for key, value in keys.items() for argument in ("-k", f"{key}={value}")]
    # With +B, movescu writes where it runs, whatever -od says.
    receive = ["+P", str(port), "+xa", "+B"] if port else []
    result = run(
        *("movescu", "-v", model, "-aec", "PACS", "-aem", destination, "-aet", destination),
        *(*receive, *options, *arguments, *_at(appliance)),
        check=check,
        folder=folder,
    )
    return result.stdout


def get(
    appliance: Appliance,
    keys: Mapping[str, str],
    folder: Path,
    *options: str,
    model: str = "-S",
    check: bool = True,
) -> str:
    """C-GET into ``folder``, bytes as received; what getscu said."""
    arguments = [argument for key, value in keys.items() for argument in ("-k", f"{key}={value}")]
    result = run(
        *("getscu", "-v", model, "-aec", "PACS", "+B", "-od", str(folder), *options, *arguments),
        *_at(appliance),
        check=check,
        folder=folder,
    )
    return result.stdout


@dataclass(frozen=True, slots=True)
class Sink:
    """A storescp that keeps, or throws away, what it is sent."""

    ae_title: str
    port: int
    folder: Path

    def files(self) -> list[Path]:
        """What has arrived."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@contextlib.contextmanager
def storescp(folder: Path, *options: str, ae_title: str = "SINK") -> Iterator[Sink]:
    """Run storescp; it accepts every transfer syntax unless ``options`` say otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    accept = [] if any(option.startswith(("+x", "-x")) for option in options) else ["+xa"]
    command = [
        tool("storescp"),
        "-q",
        "-aet",
        ae_title,
        "-od",
        str(folder),
        *accept,
        "+B",
        *options,
        str(port),
    ]
    if "--ignore" in options:
        command.remove("+B")
    process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"})
    try:
        deadline = time.monotonic() + 10
        while run("echoscu", "-aec", ae_title, "127.0.0.1", str(port), check=False).returncode:
            assert time.monotonic() < deadline, "storescp did not start"
            assert process.poll() is None, "storescp ended"
            time.sleep(0.05)
        yield Sink(ae_title, port, folder)
    finally:
        process.terminate()
        process.wait()

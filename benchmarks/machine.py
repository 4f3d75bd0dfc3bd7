"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.program import Missing, program


def describe(folder: Path) -> str:
    """One sentence: processor, memory, file system of ``folder``, versions."""
    cpu = re.search(r"model name\s*: (.*)", _read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s*(\d+) kB", _read("/proc/meminfo"))
    gib = round(int(memory[1]) / 1024**2) if memory else 0
    versions = [f"Python {platform.python_version()}", _version("Orthanc"), _version("storescu")]
    return (
        f"{os.cpu_count()} cores of {cpu[1] if cpu else platform.machine()}, {gib} GiB of memory,"
        f" {_file_system(folder)}, Linux {platform.release()}; {', '.join(filter(None, versions))}"
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _file_system(folder: Path) -> str:
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _version(name: str) -> str:
    try:
        path = program(name)
        text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    except (OSError, Missing):
        return ""
    found = re.search(r"\d+\.\d+\.\d+", text)
    return f"{'DCMTK' if name == 'storescu' else name} {found[0]}" if found else ""

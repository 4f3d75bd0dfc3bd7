"""Where the programs under measurement, and the clients that measure them, are installed."""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path

PACKAGES = {"Orthanc": "orthanc"}
"""Debian's package of a program; that of all others is dcmtk."""


class Missing(Exception):
    """A program is not installed."""


@cache
def program(name: str) -> str:
    """The path of the program ``name``. Raises Missing.

    Our virtual environment does not count: pynetdicom brings slower tools of DCMTK's names there.
    """
    ours = Path(sys.executable).parent
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    elsewhere = os.pathsep.join(folder for folder in folders if Path(folder) != ours)
    found = shutil.which(name, path=f"{elsewhere}{os.pathsep}/usr/sbin")
    if found is None:
        raise Missing(f"{name} is not installed; on Debian: apt install {PACKAGES.get(name, 'dcmtk')}")
    return found


def pacs() -> str:
    """Our own command, of the environment that runs this."""
    return str(Path(sys.executable).parent / "pacs")

"""The tools beside Python that tests run: found, or the test is skipped with a reason (under CI it fails)."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of the program ``name``.

    Programs of our virtual environment do not count: pynetdicom brings an ``echoscu`` of its own there.
    """
    ours = str(Path(sys.executable).parent)
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder != ours]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        pytest.skip(f"{name} is not installed: run tests/setup as root")
    return found

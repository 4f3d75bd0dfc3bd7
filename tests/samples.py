"""The DICOM files that pydicom and pydicom-data ship inside their wheels; nothing is fetched."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("pydicom", "data_store")
"""pydicom itself, and pydicom-data (whose import name is ``data_store``)."""

_NOT_DATA_SETS = frozenset({".py", ".pyc", ".gz", ".json", ".txt", ".dump", ".icc", ".zip", ".md", ".csv"})


def _roots() -> list[Path]:
    roots: list[Path] = []
    for package in _PACKAGES:
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent / "data"
            roots.append(folder)
    return roots


def _looks_like_dicom(path: Path) -> bool:
    """Its name, a Part 10 prefix, or a group number that a data set without one may start with."""
    if path.suffix == ".dcm":
        return True
    with path.open("rb") as file:
        head = file.read(132)
    return head[128:] == b"DICM" or head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x08")


@cache
def _found() -> tuple[Path, ...]:
    found = [
        path
        for root in _roots()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix.lower() not in _NOT_DATA_SETS and _looks_like_dicom(path)
    ]
    return tuple(found)


def sample_paths() -> list[Path]:
    """Every DICOM file of the installed packages, Part 10 files and bare data sets, in a fixed order."""
    return list(_found())


def sample(name: str) -> Path:
    """The sample file called ``name`` (``CT_small.dcm``)."""
    for path in _found():
        if path.name == name:
            return path
    raise LookupError(f"No sample file is called {name}; is pydicom-data installed?")

"""One temporary folder for all that a run writes: inputs once, a folder for every server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import synthetic
from benchmarks.synthetic import Plan, Template


@dataclass(frozen=True, slots=True)
class Input:
    """Files to send: the folders, what is in them, and their size in bytes."""

    folders: tuple[Path, ...]
    plans: tuple[Plan, ...]
    size: int

    def studies(self) -> list[tuple[str, list[str]]]:
        """The Study Instance UIDs, each with its Series Instance UIDs."""
        found: dict[str, dict[str, None]] = {}
        for plan in self.plans:
            found.setdefault(plan.study_instance_uid, {})[plan.series_instance_uid] = None
        return [(study, list(series)) for study, series in found.items()]


@dataclass(slots=True)
class Workspace:
    """The folder of one run."""

    root: Path
    _inputs: dict[tuple[object, ...], Input] = field(default_factory=dict)
    _servers: int = 0

    def input(self, template: Template, studies: int, series: int, instances: int, folders: int) -> Input:
        """Files of ``studies`` x ``series`` x ``instances`` objects, dealt out to ``folders`` folders.

        Studies stay whole; where there is but one, its series are spread.
        """
        key = (id(template), studies, series, instances, folders)
        if key not in self._inputs:
            plans = tuple(synthetic.layout(studies, series, instances))
            parent = self.root / f"input{len(self._inputs)}"
            paths = tuple(parent / str(number) for number in range(folders))
            size = 0
            for number, folder in enumerate(paths):
                mine = [
                    plan
                    for plan in plans
                    if (plan.series if studies == 1 else plan.study) % folders == number
                ]
                size += synthetic.write_files(folder, template, mine)
            self._inputs[key] = Input(paths, plans, size)
        return self._inputs[key]

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A fresh folder for one server.

        It stays until the run ends: ext4 without a journal looks past every inode deleted in the last 35
        seconds when it makes a new one, and whoever came next would pay for that.
        """
        self._servers += 1
        path = self.root / f"{name}{self._servers}"
        path.mkdir(parents=True)
        yield path


@contextmanager
def workspace(parent: Path | None) -> Iterator[Workspace]:
    """A temporary folder under ``parent`` (the system's own choice where None), deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="pacs-bench-", dir=parent) as root:
        yield Workspace(Path(root))


def by_association(folders: Sequence[Path], associations: int) -> list[list[Path]]:
    """The folders dealt out to ``associations`` senders."""
    return [list(folders[number::associations]) for number in range(associations)]

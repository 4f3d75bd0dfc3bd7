"""What commands print: tables for people, a line of progress for terminals and files."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 5.0  # between two lines of progress where there is no terminal


def table(head: Sequence[str], rows: Iterable[Sequence[str]], width: int | None = None) -> list[str]:
    """Aligned lines, the head first. Values of any script line up; none is longer than ``width`` cells.

    Control characters are shown as dots: values come from senders, and a terminal obeys some of them.
    """
    grid = [[_printable(cell, width) for cell in row] for row in (head, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*grid, strict=True)]
    return [
        "  ".join(set_cell_size(cell, size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in grid
    ]


def count(number: int, one: str, many: str = "") -> str:
    """``1 study``, ``1 204 studies``."""
    return f"{number:,}".replace(",", " ") + " " + (one if number == 1 else many or one + "s")


def _printable(text: str, width: int | None) -> str:
    clean = "".join(character if character.isprintable() else "·" for character in text)
    if width is not None and cell_len(clean) > width:
        return set_cell_size(clean, width - 1).rstrip() + "…"
    return clean


class Meter:
    """How far something is, on standard error: a bar on a terminal, otherwise a line now and then."""

    def __init__(self, what: str, unit: str) -> None:
        self._unit = unit
        self._what = what
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=None, rate="")
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` (None: not known) are done."""
        now = time.monotonic()
        rate = f"{done / (now - self._began):.0f}/s" if now > self._began else ""
        self._bar.update(self._task, completed=done, total=total, rate=rate)
        if self._bar.disable and now - self._told >= LINE_SECONDS:
            self._told = now
            of = "" if total is None else f" of {total}"
            click.echo(f"{self._what}: {done}{of} {self._unit}, {rate}", err=True)

    def say(self, line: str) -> None:
        """Print ``line`` above the bar."""
        if self._bar.disable:
            click.echo(line, err=True)
        else:
            self._console.print(line, markup=False, soft_wrap=True)

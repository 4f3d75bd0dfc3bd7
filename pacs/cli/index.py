"""``pacs index``: folders in bulk into the archive, or indexed where they lie."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import click

from pacs.app import use_case
from pacs.cli.option import takes_settings
from pacs.cli.output import Meter, count
from pacs.ingest.bulk import Progress, Report
from pacs.settings import Effective

SHOWN_REFUSALS = 20


@click.command("index")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option("--in-place", is_flag=True, help="Index the files where they lie instead of copying them.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where each refused file goes, with its reason, as a line of JSON (by default in --data).",
)
@takes_settings("data", "storage", "storage-reserve", "index", "import-processes", "config")
def command(effective: Effective, paths: tuple[Path, ...], in_place: bool, report: Path | None) -> int:
    """Take the files at and under each PATH into the archive, whether or not a server runs on it.

    Files are copied and stay where they are. It may be interrupted and run again: what is there already is
    passed over. Exits 0 where every file was taken, 1 where some were refused.

    \b
    Examples:
      pacs index /media/cdrom
      pacs index --in-place /mnt/old-archive --report refused.jsonl
    """
    settings = effective.settings
    path = report or settings.data / f"refused-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as refusals, Meter("Importing", "files") as meter:

        def show(progress: Progress) -> None:
            meter.show(progress.files, progress.total)

        done = use_case.import_paths(
            settings,
            [one.absolute() for one in paths],
            in_place=in_place,
            progress=show,
            refusals=refusals,
            indexing=lambda: meter.say("Waiting for the index ..."),
        )
    click.echo(summary(done))
    return _end(done, path, keep=report is not None)


def summary(report: Report) -> str:
    """What became of all files, in one line."""
    parts = [
        f"{count(report.stored, 'file')} taken",
        f"{report.duplicates} there already" if report.duplicates else "",
        f"{report.conflicts} in conflict" if report.conflicts else "",
        f"{report.refused} refused" if report.refused else "",
    ]
    rate = report.files / report.seconds if report.seconds else 0.0
    words = ", ".join(part for part in parts if part)
    return f"{words} in {report.seconds:.1f} s ({rate:.0f} a second)"


def _end(report: Report, path: Path, *, keep: bool) -> int:
    if report.refused or report.conflicts:
        with path.open(encoding="utf-8") as lines:
            for line, _ in zip(lines, range(SHOWN_REFUSALS), strict=False):
                refused = json.loads(line)
                click.echo(f"{refused['path']}: {refused['words']}", err=True)
        click.echo(f"Every refused file and why: {path}", err=True)
    elif not keep:
        path.unlink()
    if report.interrupted:
        raise KeyboardInterrupt
    return 1 if report.refused else 0

"""``pacs rebuild``: the index anew from storage."""

from __future__ import annotations

import click

from pacs.app import use_case
from pacs.archive.rebuild import RebuildProgress
from pacs.cli.option import takes_settings
from pacs.cli.output import Meter, count
from pacs.settings import Effective


@click.command("rebuild")
@takes_settings("data", "storage", "storage-reserve", "index", "import-processes", "config")
def command(effective: Effective) -> None:
    """Make the index anew from the stored objects.

    Nothing is lost by it: the index holds nothing that the objects do not. Stop the server first. It may be
    interrupted; the next start of a server, or 'pacs rebuild', begins it again.

    \b
    Examples:
      pacs rebuild
      pacs rebuild --data /srv/pacs --index whoosh
    """
    with Meter("Rebuilding", "instances") as meter:

        def show(progress: RebuildProgress) -> None:
            meter.show(progress.indexed, None)

        done = use_case.rebuild_index(effective.settings, show)
    words = f"{count(done.indexed, 'instance')} indexed in {done.seconds:.1f} s"
    click.echo(
        words + (f", {count(done.refused, 'object')} refused: the log names them" if done.refused else "")
    )

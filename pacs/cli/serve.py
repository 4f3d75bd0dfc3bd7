"""``pacs serve``: the PACS itself, in the foreground."""

from __future__ import annotations

import click

from pacs.app.appliance import serve
from pacs.cli.option import takes_settings
from pacs.settings import TABLE, Effective


@click.command("serve")
@takes_settings(*(setting.name for setting in TABLE), quiet=False)
def command(effective: Effective) -> None:
    """Run the PACS until SIGTERM or Ctrl-C.

    It then accepts nothing new, lets running operations end within --drain-limit, and exits 0; a second
    signal ends them at once.

    \b
    Examples:
      pacs serve
      pacs serve --data /srv/pacs --ae-title ARCHIVE --bind 0.0.0.0
      PACS_DIMSE_PORT=104 pacs serve --config /etc/pacs.toml
    """
    serve(effective.settings)

"""``pacs settings``: what is in force, and where it comes from."""

from __future__ import annotations

import click

from pacs.cli.option import effective_text, takes_settings
from pacs.cli.output import table
from pacs.settings import TABLE, Effective, Setting

PAGE = """# Settings

A value comes from the flag, else the environment variable, else the file of `--config`, else the default.
The file is TOML with a `name = value` a line (`dimse-port = 104`); it cannot name another file. Unknown names
in the file, and `PACS_*` variables that are no setting, are refused. `pacs settings` shows what is in force.

Sizes are bytes, or have a unit: `512KiB`, `5GiB`, `2GB`. Times are seconds, or have a unit: `500ms`, `5min`,
`1h`.

This page is written by `make docs` from the table in `pacs/settings.py`.

| setting | flag | variable | value | default | meaning |
|---|---|---|---|---|---|
"""


@click.command("settings")
@click.option("--markdown", is_flag=True, help="Print the page docs/settings.md instead.")
@takes_settings(*(setting.name for setting in TABLE))
def command(effective: Effective, markdown: bool) -> None:
    """Show the settings in force and where each comes from.

    A flag goes before an environment variable (PACS_DIMSE_PORT), that before the file of --config, and that
    before the default. Give the same flags as to the command you ask about.

    \b
    Examples:
      pacs settings
      pacs settings --config /etc/pacs.toml
      pacs settings --markdown
    """
    if markdown:
        click.echo(page(), nl=False)
        return
    for line in table(("SETTING", "VALUE", "FROM"), effective_text(effective)):
        click.echo(line)


def page() -> str:
    """docs/settings.md: the table of settings for readers."""
    return PAGE + "".join(_row(setting) for setting in TABLE)


def _row(setting: Setting) -> str:
    cells = (
        f"`{setting.name}`",
        f"`{setting.flag} {setting.kind.metavar}`",
        f"`{setting.variable}`",
        setting.kind.unit,
        f"`{setting.default}`" if setting.default else "",
        setting.help,
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"

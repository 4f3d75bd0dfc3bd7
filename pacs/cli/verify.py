"""``pacs verify``: index and storage held against each other."""

from __future__ import annotations

import click

from pacs.app import use_case
from pacs.archive.verify import Finding, VerifyProgress
from pacs.cli.option import takes_settings
from pacs.cli.output import Meter, count
from pacs.settings import Effective


@click.command("verify")
@click.option("--deep", is_flag=True, help="Read every object, not only its size.")
@click.option("--repair", is_flag=True, help="Put right what can be; not while a server runs.")
@takes_settings("data", "storage", "storage-reserve", "index", "import-processes", "config")
def command(effective: Effective, deep: bool, repair: bool) -> int:
    """Hold index and stored objects against each other, and print each thing that is wrong.

    Exits 0 where nothing is wrong, or all of it was put right, and 1 otherwise. Beside a running server, what
    is stored or deleted meanwhile can show up; a second look does not find it.

    \b
    Examples:
      pacs verify
      pacs verify --deep --repair
    """
    wrong = 0
    with Meter("Verifying", "objects") as meter:

        def show(progress: VerifyProgress) -> None:
            meter.show(progress.objects + progress.entities, None)

        def tell(finding: Finding) -> None:
            nonlocal wrong
            wrong += 1
            meter.say(
                "  ".join(part for part in (finding.problem, finding.uid, finding.uri, finding.words) if part)
            )

        if repair:
            repaired = use_case.repair_archive(effective.settings, deep=deep, progress=show, tell=tell)
        else:
            repaired = 0
            with use_case.verified(effective.settings, deep=deep, progress=show) as findings:
                for finding in findings:
                    tell(finding)
    if not wrong:
        click.echo("Nothing is wrong")
        return 0
    words = f"{count(wrong, 'finding')}"
    click.echo(f"{words}, {repaired} put right" if repair else f"{words}; --repair puts right what can be")
    return 0 if repaired == wrong else 1

"""``pacs peer``: the remote AEs that the PACS may send to."""

from __future__ import annotations

import click

from pacs.app import use_case
from pacs.app.compose import peers
from pacs.cli.option import takes_settings
from pacs.cli.output import table
from pacs.peers.peer import Peer
from pacs.settings import Effective


@click.group("peer")
def command() -> None:
    """Add, list, remove and try peers: the remote AEs that C-MOVE may send to.

    A running server sees every change at once.
    """


@command.command("add")
@click.argument("title", metavar="AET")
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
@takes_settings("data", "config")
def add(effective: Effective, title: str, host: str, port: int) -> None:
    """Make the peer AET known, at HOST and PORT; a known AET is changed.

    \b
    Example:
      pacs peer add WORKSTATION 192.0.2.17 104
    """
    earlier = peers(effective.settings).add(Peer(title, host, port))
    click.echo(f"{title} is now {host}:{port}" + (f", was {earlier.host}:{earlier.port}" if earlier else ""))


@command.command("list")
@takes_settings("data", "config")
def list_(effective: Effective) -> None:
    """Show every peer.

    \b
    Example:
      pacs peer list --data /srv/pacs
    """
    known = peers(effective.settings).all()
    for line in table(("AE TITLE", "HOST", "PORT"), ((p.ae_title, p.host, str(p.port)) for p in known)):
        click.echo(line)


@command.command("remove")
@click.argument("title", metavar="AET")
@takes_settings("data", "config")
def remove(effective: Effective, title: str) -> None:
    """Forget the peer AET.

    \b
    Example:
      pacs peer remove WORKSTATION
    """
    gone = peers(effective.settings).remove(title)
    click.echo(f"{gone.ae_title} ({gone.host}:{gone.port}) is no peer any more")


@command.command("echo")
@click.argument("title", metavar="AET")
@takes_settings("data", "config", "ae-title", "dimse-timeout", "network-timeout", "max-pdu")
def echo(effective: Effective, title: str) -> None:
    """Ask the peer AET whether it is there (C-ECHO).

    \b
    Example:
      pacs peer echo WORKSTATION
    """
    known = peers(effective.settings).get(title)
    seconds = use_case.echo(effective.settings, known)
    click.echo(f"{title} at {known.host}:{known.port} answered in {seconds * 1000:.1f} ms")

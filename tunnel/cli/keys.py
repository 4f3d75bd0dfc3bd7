"""``python -m tunnel keys``: private keys from a secret store into files that their owner alone may read."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.errors import TunnelError
from tunnel.keys import write_keys
from tunnel.secret.source import open_source

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

logger = logging.getLogger(__name__)


def add_parser(commands: Commands) -> None:
    """Add ``keys``."""
    parser = commands.add_parser("keys", help="write keys and certificates from a secret store, mode 0400")
    parser.add_argument(
        "files", nargs="+", metavar="FILE=SECRET", help="a file to write, and its secret's name or ARN"
    )
    parser.add_argument(
        "--source", required=True, help="folder:PATH, aws:REGION or - (JSON on standard input)"
    )
    parser.add_argument("--into", required=True, type=Path, help="the folder of the files")
    parser.add_argument(
        "--every",
        type=int,
        metavar="SECONDS",
        help="look again so often and write what changed, until stopped",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    wanted = {}
    for pair in options.files:
        name, equals, secret = pair.partition("=")
        if not (name and equals and secret):
            raise TunnelError(f"write FILE=SECRET, not {pair!r}")
        wanted[name] = secret
    if options.every is not None and (options.every < 1 or options.source == "-"):
        raise TunnelError("--every takes a number of seconds from 1 on, and a source that can be read again")
    source = open_source(options.source)
    write_keys(source, wanted, options.into)
    while options.every is not None:
        time.sleep(options.every)
        try:
            write_keys(source, wanted, options.into)
        except TunnelError as error:  # the files there are good until they expire: go on
            logger.error("%s", error)

"""``python -m tunnel``: pki, keys, supervise."""

from __future__ import annotations

import argparse
import logging
import sys

from tunnel.cli import keys, pki, supervise
from tunnel.errors import TunnelError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit status: 0, or 1 with the reason on standard error, or 2 for a wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tunnel", description="TLS tunnels for the appliance.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (pki, keys, supervise):
        command.add_parser(commands)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        options = parser.parse_args(arguments)
        options.run(options)
    except TunnelError as error:
        sys.stderr.write(f"tunnel: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tunnel supervise``: run all of an appliance's tunnels."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.command import PROGRAM, command
from tunnel.errors import TunnelError
from tunnel.peer import TLSPeers, read_peers
from tunnel.plan import plan
from tunnel.settings import Address, Console, Inbound, Names, Process, Tunnel
from tunnel.state import earlier_ports
from tunnel.status import StatusServer
from tunnel.supervisor import Supervision, Supervisor

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: Commands) -> None:
    """Add ``supervise``."""
    parser = commands.add_parser(
        "supervise",
        help="run ghostunnel for partners, for the console and for each TLS peer; restart what ends",
    )
    every = parser.add_argument_group("every tunnel")
    every.add_argument(
        "--keystore", type=Path, required=True, help="PEM file with private key and certificate"
    )
    every.add_argument(
        "--ca", type=Path, required=True, help="PEM bundle of the authorities that are trusted"
    )
    every.add_argument(
        "--timed-reload", type=int, default=60, metavar="SECONDS", help="re-read files so often"
    )
    every.add_argument("--shutdown-timeout", type=int, default=90, metavar="SECONDS")
    every.add_argument("--stop-timeout", type=int, default=120, metavar="SECONDS", help="when we are killed")
    every.add_argument("--program", default=PROGRAM, help="ghostunnel")
    every.add_argument("--state", type=Path, required=True, help="JSON file to keep the state in")
    every.add_argument(
        "--status", type=Address.parse, metavar="HOST:PORT", help="serve the state in HTTP here"
    )
    every.add_argument("--show", action="store_true", help="print the command lines as JSON, and run nothing")

    out = parser.add_argument_group("to peers")
    out.add_argument("--peers", type=Path, help="the peer registry, <data>/peers.json")
    out.add_argument("--ports", type=_ports, default=range(17700, 17900), metavar="FIRST-LAST")

    inbound = parser.add_argument_group("from partners")
    inbound.add_argument("--inbound", type=Address.parse, metavar="HOST:PORT", help="usually 0.0.0.0:2762")
    inbound.add_argument("--inbound-target", type=Address.parse, metavar="HOST:PORT")
    inbound.add_argument("--inbound-status", type=Address.parse, default=Address("127.0.0.1", 17691))
    for name, what in (("dns", "DNS name"), ("cn", "common name"), ("ou", "unit"), ("uri", "URI")):
        inbound.add_argument(
            f"--allow-{name}", action="append", default=[], help=f"a {what} that may connect; may be repeated"
        )
    inbound.add_argument(
        "--unsafe-allow-all", action="store_true", help="any certificate that the authorities signed"
    )
    inbound.add_argument(
        "--target-status", metavar="URL", help="must answer 200 for the tunnel to be healthy"
    )

    console = parser.add_argument_group("for browsers")
    console.add_argument("--console", type=Address.parse, metavar="HOST:PORT")
    console.add_argument("--console-target", type=Address.parse, metavar="HOST:PORT")
    console.add_argument("--console-status", type=Address.parse, default=Address("127.0.0.1", 17692))
    console.add_argument("--console-keystore", type=Path, help="a certificate of its own")
    parser.set_defaults(run=_run)


def supervision(options: argparse.Namespace) -> Supervision:
    """What the options ask for. Raises TunnelError."""
    template = Process(
        keystore=options.keystore,
        ca=options.ca,
        status=options.inbound_status,
        timed_reload=options.timed_reload,
        shutdown_timeout=options.shutdown_timeout,
        stop_timeout=options.stop_timeout,
    )
    program = shutil.which(options.program)
    if program is None:
        raise TunnelError(
            f"{options.program} is not on PATH; tests/setup-ghostunnel.sh shows how to install it"
        )
    fixed = _fixed(options, template)
    if not fixed and options.peers is None:
        raise TunnelError("nothing to run: name --inbound, --console or --peers")
    return Supervision(
        program=str(Path(program).resolve()),
        state=options.state,
        template=template,
        peers=options.peers,
        ports=options.ports,
        fixed=fixed,
    )


def _fixed(options: argparse.Namespace, template: Process) -> dict[str, Tunnel]:
    fixed: dict[str, Tunnel] = {}
    if options.inbound:
        if not options.inbound_target:
            raise TunnelError("--inbound wants --inbound-target, the PACS's port for proxied associations")
        allow = Names(
            tuple(options.allow_dns),
            tuple(options.allow_cn),
            tuple(options.allow_ou),
            tuple(options.allow_uri),
        )
        fixed["inbound"] = Inbound(
            template,
            options.inbound,
            options.inbound_target,
            allow,
            options.unsafe_allow_all,
            options.target_status,
        )
    if options.console:
        if not options.console_target:
            raise TunnelError("--console wants --console-target, the PACS's HTTP port")
        keystore = options.console_keystore or options.keystore
        process = replace(template, status=options.console_status, keystore=keystore)
        fixed["console"] = Console(process, options.console, options.console_target, options.target_status)
    return fixed


def _run(options: argparse.Namespace) -> None:
    asked = supervision(options)
    if options.show:
        found = TLSPeers((), {}) if asked.peers is None else read_peers(asked.peers)
        made = plan(asked.fixed, found, asked.template, asked.ports, earlier_ports(asked.state))
        lines = {name: command(tunnel, asked.program) for name, tunnel in made.tunnels.items()}
        sys.stdout.write(json.dumps(lines, indent=1) + "\n")
        return
    supervisor = Supervisor(asked)
    server = StatusServer(options.status, supervisor.current) if options.status else None
    try:
        supervisor.run()
    finally:
        if server is not None:
            server.close()


def _ports(text: str) -> range:
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and 1 <= int(first) < int(last) <= 65535):
        raise argparse.ArgumentTypeError(f"write FIRST-LAST, such as 17700-17899, not {text!r}")
    return range(int(first), int(last) + 1)

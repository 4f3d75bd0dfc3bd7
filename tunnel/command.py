"""ghostunnel's command lines: pure functions from settings to arguments, in ghostunnel 1.11's words.

What tests run and what the deployment puts into task definitions both come from here. Each value is joined to
its flag by ``=``, so that none can be taken for a flag; there is no shell anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from tunnel.settings import Console, Inbound, Names, Outbound, Process, Tunnel

PROGRAM = "ghostunnel"


def command(tunnel: Tunnel, program: str = PROGRAM) -> tuple[str, ...]:
    """The whole command line, ``program`` first."""
    match tunnel:
        case Inbound():
            return (program, *inbound(tunnel))
        case Console():
            return (program, *console(tunnel))
        case Outbound():
            return (program, *outbound(tunnel))


def inbound(tunnel: Inbound) -> tuple[str, ...]:
    """``server``: partners' TLS to the PACS, with a PROXY header that carries the client's certificate."""
    return (
        "server",
        f"--listen={tunnel.listen}",
        f"--target={tunnel.target}",
        "--proxy-protocol-mode=tls-full",
        *_target_status(tunnel.target_status),
        *(["--allow-all"] if tunnel.unsafe_allow_all else _names("allow", tunnel.allow)),
        *_process(tunnel.process),
    )


def console(tunnel: Console) -> tuple[str, ...]:
    """``server`` without client certificates and without a PROXY header: browsers' HTTPS to the console."""
    return (
        "server",
        f"--listen={tunnel.listen}",
        f"--target={tunnel.target}",
        *_target_status(tunnel.target_status),
        "--disable-authentication",
        *_process(tunnel.process),
    )


def outbound(tunnel: Outbound) -> tuple[str, ...]:
    """``client``: a loopback port to one move destination.

    ghostunnel always checks the certificate against the server name. Where no name to verify is given, the
    server name is one as well: ``--verify-dns`` says so on the command line, where an auditor looks.
    """
    server_name = tunnel.server_name or tunnel.target.host
    verify = tunnel.verify
    if not verify and not _is_ip_address(server_name):
        verify = Names(dns=(server_name,))
    return (
        "client",
        f"--listen={tunnel.listen}",
        f"--target={tunnel.target}",
        *([] if tunnel.server_name is None else [f"--override-server-name={tunnel.server_name}"]),
        *_names("verify", verify),
        *_process(tunnel.process),
    )


def _process(process: Process) -> Iterator[str]:
    yield f"--keystore={process.keystore}"
    yield f"--cacert={process.ca}"
    yield f"--status=http://{process.status}"
    yield f"--timed-reload={process.timed_reload}s"
    yield f"--shutdown-timeout={process.shutdown_timeout}s"
    yield f"--connect-timeout={process.connect_timeout}s"
    yield f"--close-timeout={process.close_timeout}s"
    if process.max_connections:
        yield f"--max-concurrent-conns={process.max_connections}"
    if process.ciphers:
        yield f"--cipher-suites={','.join(process.ciphers)}"


def _target_status(url: str | None) -> list[str]:
    return [] if url is None else [f"--target-status={url}"]


def _names(verb: str, names: Names) -> Iterator[str]:
    yield from (f"--{verb}-dns={name}" for name in names.dns)
    yield from (f"--{verb}-cn={name}" for name in names.common_name)
    yield from (f"--{verb}-ou={name}" for name in names.organizational_unit)
    yield from (f"--{verb}-uri={name}" for name in names.uri)


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

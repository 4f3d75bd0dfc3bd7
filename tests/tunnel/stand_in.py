"""Not ghostunnel: a program with its flags, its status port and its way of ending, but without TLS.

For tests of how processes are started, watched and ended, which need no ghostunnel. Whether the real one
takes these command lines and does what they say is tested in test_ghostunnel.py, with the real one only.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _serve(options: argparse.Namespace) -> int:
    stop, reloads, open_connections = asyncio.Event(), 0, set[asyncio.Task[object]]()

    def reload() -> None:
        nonlocal reloads
        reloads += 1

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            host, port = options.target.rsplit(":", 1)
            there = await asyncio.open_connection(host, int(port))
            await asyncio.gather(_relay(reader, there[1]), _relay(there[0], writer))
        finally:
            open_connections.discard(task)

    async def status(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.readline():
            writer.write(f"HTTP/1.0 200 OK\r\n\r\nreloads={reloads}".encode())
        writer.close()

    servers = []
    for address, handler in ((options.listen, connected), (options.status.removeprefix("http://"), status)):
        host, port = address.rsplit(":", 1)
        servers.append(await asyncio.start_server(handler, host, int(port), reuse_port=True))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await stop.wait()
    for server in servers:
        server.close()
    if open_connections:
        _, unfinished = await asyncio.wait(
            open_connections, timeout=float(options.shutdown_timeout.rstrip("s"))
        )
        return 1 if unfinished else 0
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    for flag in ("--listen", "--target", "--status", "--shutdown-timeout"):
        parser.add_argument(flag)
    parsed, _ = parser.parse_known_args()
    sys.exit(asyncio.run(_serve(parsed)))

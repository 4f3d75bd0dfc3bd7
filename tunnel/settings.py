"""What a tunnel is told: frozen settings that are valid once they exist.

Every mistake is a ``TunnelError`` when the settings are made, so that a deployment fails before it begins.
Defaults are for a container that is killed 120 seconds after it was asked to stop (the longest that Fargate
allows).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Self
from urllib.parse import urlsplit

from tunnel.errors import TunnelError

_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_DNS = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.(?!-)[A-Za-z0-9_-]{1,63})*")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}  # what ghostunnel itself counts as loopback
_CIPHERS = {"AES", "CHACHA"}


@dataclass(frozen=True, slots=True)
class Address:
    """A host name or IP address, and a port from 1 to 65535."""

    host: str
    port: int

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host) or self.host.startswith("-"):
            raise TunnelError(f"{self.host!r} is no host name or IP address")
        if not 1 <= self.port <= 65535:
            raise TunnelError(f"a port is from 1 to 65535, not {self.port}")

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine, or this task's containers, can reach it."""
        return self.host in _LOOPBACK

    @classmethod
    def parse(cls, text: str) -> Self:
        """``host:port`` or ``[IPv6]:port``."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise TunnelError(f"write an IPv6 address in brackets, [::1]:2762, not {text!r}")
        if not colon or not (port.isascii() and port.isdigit()):
            raise TunnelError(f"an address is written host:port, not {text!r}")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Names:
    """Certificate names; a certificate passes that has one of them.

    DNS names, common names and organizational units are compared whole. URIs may hold ``*`` (within one part)
    and ``**`` (across parts), but not in the place of scheme or host: that would let in anybody.
    """

    dns: tuple[str, ...] = ()
    common_name: tuple[str, ...] = ()
    organizational_unit: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.dns, *self.common_name, *self.organizational_unit, *self.uri):
            if not name or not name.isprintable():
                raise TunnelError(f"{name!r} is no certificate name: it is empty or holds control characters")
        for name in self.dns:
            if not _DNS.fullmatch(name):
                raise TunnelError(f"{name!r} is no DNS name (ghostunnel knows no wildcards in them)")
        for name in self.uri:
            parts = urlsplit(name)
            if not parts.scheme or not parts.netloc or "*" in parts.scheme + parts.netloc:
                raise TunnelError(f"{name!r} is no URI with a scheme and a host, both without '*'")

    def __bool__(self) -> bool:
        return bool(self.dns or self.common_name or self.organizational_unit or self.uri)


@dataclass(frozen=True, slots=True)
class Process:
    """What every ghostunnel is told.

    ``keystore`` is one PEM file with the private key and its certificate chain: one file, so that one rename
    swaps both. ``ca`` is the bundle of authorities that the other side's certificate must come from.
    ``status`` is served in plain HTTP; a load balancer may ask there. Times are in whole seconds:
    ``timed_reload`` is how often the files are read anew, ``shutdown_timeout`` how long connections may take
    to end after SIGTERM, which must be less than ``stop_timeout``, when whoever asked kills. ``ciphers``
    (AES, CHACHA) narrows what TLS 1.2 may use; TLS 1.3 chooses for itself, and nothing older is ever spoken.
    """

    keystore: PurePath
    ca: PurePath
    status: Address
    timed_reload: int = 60
    shutdown_timeout: int = 90
    stop_timeout: int = 120
    connect_timeout: int = 10
    close_timeout: int = 60
    max_connections: int = 0
    ciphers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("timed_reload", "shutdown_timeout", "stop_timeout", "connect_timeout"):
            if getattr(self, name) < 1:
                raise TunnelError(f"{name} must be at least 1 second, not {getattr(self, name)}")
        for name in ("close_timeout", "max_connections"):
            if getattr(self, name) < 0:
                raise TunnelError(f"{name} must not be less than 0, but is {getattr(self, name)}")
        if self.shutdown_timeout >= self.stop_timeout:
            raise TunnelError(
                f"shutdown_timeout ({self.shutdown_timeout} s) must be less than stop_timeout"
                f" ({self.stop_timeout} s), or the tunnel is killed before its connections could end"
            )
        if unknown := sorted(set(self.ciphers) - _CIPHERS):
            raise TunnelError(
                f"{unknown[0]!r} is no cipher of ghostunnel's: {' and '.join(sorted(_CIPHERS))} are"
            )
        if self.keystore == self.ca:
            raise TunnelError("keystore and ca are two files: a private key and those whom we trust")


@dataclass(frozen=True, slots=True)
class Inbound:
    """TLS from partners to the PACS's loopback port for proxied associations.

    Who may connect is ``allow``; the PACS gets the client's certificate in a PROXY header and decides the
    rest. ``unsafe_allow_all`` lets in every certificate that the authorities signed, and excludes
    ``allow``. ``target_status`` is the URL that must answer 200 for the tunnel to call itself healthy.
    """

    process: Process
    listen: Address
    target: Address
    allow: Names = field(default_factory=Names)
    unsafe_allow_all: bool = False
    target_status: str | None = None

    def __post_init__(self) -> None:
        _check_target(self.target)
        _check_status_url(self.target_status)
        if self.unsafe_allow_all and self.allow:
            raise TunnelError("unsafe_allow_all lets in everybody: leave it out, or the allowed names")
        if not self.unsafe_allow_all and not self.allow:
            raise TunnelError("name at least one DNS name, common name, unit or URI that may connect")


@dataclass(frozen=True, slots=True)
class Console:
    """HTTPS to the PACS's HTTP port. No client certificate is asked for: the console has its own sign-in."""

    process: Process
    listen: Address
    target: Address
    target_status: str | None = None

    def __post_init__(self) -> None:
        _check_target(self.target)
        _check_status_url(self.target_status)


@dataclass(frozen=True, slots=True)
class Outbound:
    """TLS from a loopback port to one move destination.

    ``server_name`` is what its certificate must be valid for, and is asked for by SNI; None takes the
    target's host. ``verify`` are further names of which the certificate must have one.
    """

    process: Process
    listen: Address
    target: Address
    server_name: str | None = None
    verify: Names = field(default_factory=Names)

    def __post_init__(self) -> None:
        if not self.listen.loopback:
            raise TunnelError(f"an outbound tunnel listens in plaintext: on loopback only, not {self.listen}")
        if self.server_name is not None and not _HOST.fullmatch(self.server_name):
            raise TunnelError(f"{self.server_name!r} is no host name or IP address")


Tunnel = Inbound | Console | Outbound


def _check_target(target: Address) -> None:
    if not target.loopback:
        raise TunnelError(
            f"what leaves the tunnel is plaintext: the target must be on loopback, not {target}"
        )


def _check_status_url(url: str | None) -> None:
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in _LOOPBACK:
        raise TunnelError(f"target_status is an http:// URL on loopback, not {url!r}")

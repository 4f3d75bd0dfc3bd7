"""``python -m tunnel pki``: a development authority, leaves, and whom a bundle trusts.

``tunnel.pki`` is imported where it is used: the other commands must work without the cryptography library,
which a container that only runs tunnels does not have.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from tunnel.errors import TunnelError
from tunnel.private_file import read_file, write_private

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: Commands) -> None:
    """Add ``pki`` and its own commands."""
    parser = commands.add_parser(
        "pki", help="a development certificate authority; not for a hospital's real one"
    )
    steps = parser.add_subparsers(required=True, metavar="STEP")

    ca = steps.add_parser("ca", help="make an authority: FOLDER/ca.crt and FOLDER/ca.key")
    ca.add_argument("folder", type=Path)
    ca.add_argument("--name", default="PACS development authority", help="its common name")
    _add_making(ca, 365)
    ca.set_defaults(run=_make_authority)

    leaf = steps.add_parser("leaf", help="make FOLDER/NAME.pem (key and certificate) and FOLDER/NAME.crt")
    leaf.add_argument("folder", type=Path)
    leaf.add_argument("name", help="file name, and common name unless --common-name says another")
    leaf.add_argument("--authority", type=Path, help="folder of ca.crt and ca.key (FOLDER when left out)")
    leaf.add_argument("--common-name")
    leaf.add_argument("--unit", help="organizational unit")
    leaf.add_argument("--dns", action="append", default=[], help="a DNS name; may be repeated")
    leaf.add_argument("--uri", action="append", default=[], help="a URI; may be repeated")
    leaf.add_argument("--ip", action="append", default=[], help="an IP address; may be repeated")
    _add_making(leaf, 90)
    leaf.set_defaults(run=_make_leaf)

    for name, verb in (("trust", "add authorities to a bundle"), ("distrust", "take authorities out of one")):
        step = steps.add_parser(name, help=f"{verb}, in one step for whoever reads it")
        step.add_argument("bundle", type=Path)
        step.add_argument("certificate", type=Path)
        step.set_defaults(run=_trust if name == "trust" else _distrust)

    show = steps.add_parser("show", help="names and days left of the certificates in a file")
    show.add_argument("file", type=Path)
    show.set_defaults(run=_show)


def _add_making(parser: argparse.ArgumentParser, days: int) -> None:
    parser.add_argument("--days", type=int, default=days, help=f"how long it lives ({days})")
    parser.add_argument("--key", choices=["ec", "rsa"], default="ec", help="kind of key (ec)")
    parser.add_argument("--force", action="store_true", help="replace files that exist")


def _make_authority(options: argparse.Namespace) -> None:
    from tunnel.pki import KeyKind, new_authority

    kind = KeyKind(options.key)
    made = new_authority(options.name, now=datetime.now(UTC), days=options.days, kind=kind)
    _write(options, {"ca.key": made.key_pem(), "ca.crt": made.certificate_pem()})


def _make_leaf(options: argparse.Namespace) -> None:
    from tunnel.pki import KeyKind, Leaf, issue, load_authority

    folder = options.authority or options.folder
    authority = load_authority(read_file(folder / "ca.crt"), read_file(folder / "ca.key"))
    leaf = Leaf(
        common_name=options.common_name or options.name,
        dns=tuple(options.dns),
        uri=tuple(options.uri),
        ip=tuple(_ip(text) for text in options.ip),
        organizational_unit=options.unit,
    )
    made = issue(authority, leaf, now=datetime.now(UTC), days=options.days, kind=KeyKind(options.key))
    _write(
        options,
        {f"{options.name}.pem": made.keystore_pem(), f"{options.name}.crt": made.certificate_pem()},
    )


def _ip(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise TunnelError(f"{text!r} is no IP address") from None


def _write(options: argparse.Namespace, files: dict[str, bytes]) -> None:
    """All or none where one exists already and is not to be replaced."""
    for name in files:
        if name != Path(name).name:
            raise TunnelError(f"{name!r} is no file name")
        if not options.force and (options.folder / name).exists():
            raise TunnelError(f"{options.folder / name} exists already; --force replaces it")
    for name, content in files.items():
        write_private(options.folder / name, content, replace=options.force)
        sys.stdout.write(f"{options.folder / name}\n")


def _trust(options: argparse.Namespace) -> None:
    from tunnel.pki import bundle_with

    before = read_file(options.bundle) if options.bundle.exists() else b""
    write_private(options.bundle, bundle_with(before, read_file(options.certificate)), replace=True)


def _distrust(options: argparse.Namespace) -> None:
    from tunnel.pki import bundle_without

    content = bundle_without(read_file(options.bundle), read_file(options.certificate))
    write_private(options.bundle, content, replace=True)


def _show(options: argparse.Namespace) -> None:
    from cryptography import x509

    from tunnel.pki import load_bundle

    now = datetime.now(UTC)
    for certificate in load_bundle(read_file(options.file)):
        left = (certificate.not_valid_after_utc - now).days
        sys.stdout.write(f"{certificate.subject.rfc4514_string()}: {left} days left\n")
        try:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            continue
        for name in names:
            sys.stdout.write(f"  {name.value}\n")

"""Which tunnels there are to be: those that are always there, and one for each TLS peer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tunnel.errors import TunnelError
from tunnel.peer import TLSPeer, TLSPeers
from tunnel.port import assign_ports
from tunnel.settings import Address, Outbound, Process, Tunnel

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Plan:
    """Tunnels by name, the AE title of those that lead to a peer, and for peers without one the reason."""

    tunnels: Mapping[str, Tunnel]
    ae_titles: Mapping[str, str]
    refused: Mapping[str, str]
    ports: Mapping[str, int]


def outbound_name(ae_title: str) -> str:
    """The name of the tunnel to that peer."""
    return f"outbound:{ae_title}"


def plan(
    fixed: Mapping[str, Tunnel],
    peers: TLSPeers,
    template: Process,
    ports: range,
    earlier: Mapping[str, int],
) -> Plan:
    """``fixed`` and one outbound tunnel for each of ``peers``, its files and times as in ``template``.

    Each outbound tunnel has two ports of ``ports``: one to listen on (or the peer's declared one), one for
    its status. ``earlier`` are the ports of the last plan. Raises TunnelError when the range is too small.
    """
    refused = dict(peers.refused)
    served, taken = _without_clashes(peers.peers, _fixed_ports(fixed), refused)
    wanted = [_status(peer) for peer in served]
    wanted += [outbound_name(peer.ae_title) for peer in served if peer.local_port is None]
    assigned = assign_ports(wanted, ports, earlier, taken)
    tunnels = dict(fixed)
    for peer in served:
        name = outbound_name(peer.ae_title)
        try:
            tunnels[name] = Outbound(
                process=replace(template, status=Address(LOOPBACK, assigned[_status(peer)])),
                listen=Address(LOOPBACK, peer.local_port or assigned[name]),
                target=peer.target,
                server_name=peer.server_name,
                verify=peer.verify,
            )
        except TunnelError as error:
            refused[peer.ae_title] = str(error)
    ae_titles = {outbound_name(peer.ae_title): peer.ae_title for peer in served}
    ae_titles = {name: ae_title for name, ae_title in ae_titles.items() if name in tunnels}
    return Plan(tunnels, ae_titles, refused, assigned)


def _status(peer: TLSPeer) -> str:
    return outbound_name(peer.ae_title) + ":status"


def _fixed_ports(fixed: Mapping[str, Tunnel]) -> set[int]:
    """Every port that the fixed tunnels use; the port alone counts, whatever the address."""
    return {port for tunnel in fixed.values() for port in (tunnel.listen.port, tunnel.process.status.port)}


def _without_clashes(
    peers: tuple[TLSPeer, ...], taken: set[int], refused: dict[str, str]
) -> tuple[list[TLSPeer], set[int]]:
    served = []
    for peer in peers:
        if peer.local_port is not None and peer.local_port in taken:
            refused[peer.ae_title] = f"its local port {peer.local_port} is another tunnel's"
            continue
        if peer.local_port is not None:
            taken.add(peer.local_port)
        served.append(peer)
    return served, taken

"""The state file: what the supervisor tells the appliance and people, replaced whole at each change.

::

    {"version": 1, "supervisor": 4711, "alive_at": "2026-11-20T10:00:00+00:00", "problem": "",
     "tunnels": {"outbound:STORE": {"kind": "outbound", "ae_title": "STORE", "state": "running",
                                    "listen": "127.0.0.1:17742", "target": "store.example.com:2762",
                                    "status": "http://127.0.0.1:17743/_status", "pid": 4712, "restarts": 0,
                                    "since": "2026-11-20T09:00:00+00:00", "reason": ""}},
     "refused": {"AE": "why this peer has no tunnel"}, "ports": {"outbound:STORE": 17742, ...}}

``alive_at`` is renewed every few seconds: a file that is older tells of a supervisor that is gone, and its
ports may belong to anybody.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from tunnel.child import Child, State
from tunnel.errors import TunnelError
from tunnel.plan import Plan

VERSION = 1

Document = Mapping[str, object]


def document(plan: Plan, children: Iterable[Child], problem: str, pid: int, now: datetime) -> Document:
    """The content of the state file."""
    return {
        "version": VERSION,
        "supervisor": pid,
        "alive_at": now.isoformat(timespec="seconds"),
        "problem": problem,
        "tunnels": {child.name: _tunnel(child, plan.ae_titles.get(child.name)) for child in children},
        "refused": dict(plan.refused),
        "ports": dict(plan.ports),
    }


def healthy(document: Document) -> bool:
    """Whether every tunnel runs and nothing was refused."""
    tunnels = document["tunnels"]
    if not isinstance(tunnels, dict) or document["problem"] or document["refused"]:
        return False
    return all(tunnel["state"] == State.RUNNING for tunnel in tunnels.values())


def write_document(path: Path, content: Document) -> None:
    """Replace the state file. It holds no secret: everybody may read it. Raises TunnelError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        raise TunnelError(f"{path} cannot be written: {error.strerror}") from error


def earlier_ports(path: Path) -> dict[str, int]:
    """The ports that an earlier supervisor gave out; none where there is no file, or no sense in it."""
    try:
        ports = json.loads(path.read_text(encoding="utf-8"))["ports"]
        return {str(name): port for name, port in ports.items() if type(port) is int}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tunnel(child: Child, ae_title: str | None) -> Document:
    return {
        "kind": type(child.tunnel).__name__.lower(),
        "ae_title": ae_title,
        "state": child.state.value,
        "listen": str(child.tunnel.listen),
        "target": str(child.tunnel.target),
        "status": f"http://{child.tunnel.process.status}/_status",
        "pid": child.pid,
        "restarts": child.restarts,
        "since": child.since.astimezone(UTC).isoformat(timespec="seconds"),
        "reason": child.reason,
    }

"""What a DIMSE server is told to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DimseConfig:
    """Times in seconds, ``max_pdu`` in bytes; ``port`` 0 takes a free one.

    ``artim_seconds`` is for a new connection to request an association (PS3.8 section 9.1.5),
    ``network_seconds`` for a stall inside a message, ``dimse_seconds`` for an answer to a request of ours,
    ``idle_seconds`` between messages. ``calling_ae_titles`` lists who may call; empty means everyone.
    """

    ae_title: str
    bind: str
    port: int
    max_associations: int
    max_pdu: int
    artim_seconds: float
    network_seconds: float
    dimse_seconds: float
    idle_seconds: float
    require_called_ae_title: bool
    calling_ae_titles: frozenset[str] = frozenset()

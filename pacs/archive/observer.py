"""What the appliance tells about its work: one event an operation, one an association.

Adapters report; the composition root decides what becomes of it (a log line, a metric, an audit
record). Events hold UIDs, AE titles, addresses, counts and times, never a patient attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: AE titles as negotiated, remote address as ``host:port``, a certificate's name."""

    calling_ae_title: str = ""
    called_ae_title: str = ""
    address: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One finished operation.

    ``name`` is C-STORE, C-FIND, ...; ``status`` the final DIMSE status; ``seconds`` the time it took;
    ``size`` bytes of data sets received or sent; ``count`` answers or completed sub-operations,
    ``failed`` failed ones; ``uid`` the Study, Series or SOP Instance UID concerned, where there is one;
    ``detail`` words for people.
    """

    name: str
    status: int
    caller: Caller
    seconds: float
    size: int = 0
    count: int = 0
    failed: int = 0
    uid: str = ""
    detail: str = ""


class AssociationChange(StrEnum):
    """What can befall an association."""

    OPENED = "opened"
    RELEASED = "released"
    ABORTED = "aborted"
    REJECTED = "rejected"


class Observer(Protocol):
    """Is told of finished operations and changes of associations, from many threads; must not raise."""

    def operation(self, operation: Operation) -> None:
        """An operation ended."""

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """An association opened, ended or was refused."""

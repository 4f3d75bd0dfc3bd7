"""Several observers as one."""

from __future__ import annotations

from pacs.archive.observer import AssociationChange, Caller, Observer, Operation


class Observers:
    """Tells each of ``observers``, in their order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def operation(self, operation: Operation) -> None:
        """An operation ended."""
        for observer in self._observers:
            observer.operation(operation)

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """An association opened, ended or was refused."""
        for observer in self._observers:
            observer.association(change, caller, detail)

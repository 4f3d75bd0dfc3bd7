"""What health and metrics ask of a running appliance; before it has started they hear that it is starting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pacs import __version__
from pacs.app.compose import Archive
from pacs.app.crew import Crew
from pacs.console.health import Check
from pacs.console.metrics import Gauge
from pacs.dicom.level import Level
from pacs.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from pacs.dimse.server import DimseServer
from pacs.errors import Unavailable
from pacs.settings import Settings


@dataclass(frozen=True, slots=True)
class _Running:
    archive: Archive
    dimse: DimseServer | Crew


class Watch:
    """Checks and gauges over an archive and a DIMSE server that come later."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: _Running | None = None
        self._words = "starting"

    def begin(self, archive: Archive, dimse: DimseServer | Crew) -> None:
        """The appliance runs."""
        self._running = _Running(archive, dimse)

    def end(self) -> None:
        """The appliance stops: it is alive, but not to be sent anything more."""
        self._running = None
        self._words = "stopping"

    def checks(self) -> Sequence[Check]:
        """What must be well for work to be sent here."""
        return (
            Check("storage", self._storage),
            Check("lease", self._lease),
            Check("index", self._index),
            Check("journal", self._journal),
            *((Check("workers", self._workers),) if self._settings.workers else ()),
        )

    def gauges(self) -> Sequence[Gauge]:
        """How things stand."""
        return (
            # First of all, as it has the workers tell what they did.
            self._gauge("pacs_workers", "Processes that serve associations.", _answering),
            Gauge("pacs_info", "The version that runs.", lambda: {__version__: 1.0}, "version"),
            self._gauge("pacs_associations_open", "Associations open now.", lambda now: now.dimse.active),
            self._gauge(
                "pacs_index_lag_instances",
                "Instances stored that await indexing.",
                lambda now: now.archive.indexer.lag().instances,
            ),
            self._gauge(
                "pacs_index_lag_seconds",
                "For how long the oldest instance has waited for indexing.",
                lambda now: now.archive.indexer.lag().seconds,
            ),
            self._gauge(
                "pacs_quarantine_objects",
                "Objects in quarantine.",
                lambda now: now.archive.quarantine.count(),
            ),
            self._gauge(
                "pacs_storage_free_bytes",
                "Bytes that may still be stored, over the reserve.",
                lambda now: now.archive.storage.free() or 0,
            ),
            Gauge("pacs_entities", "Entities in the index, by level.", self._entities, "level"),
        )

    def _gauge(self, name: str, help_: str, value: Callable[[_Running], float]) -> Gauge:
        return Gauge(name, help_, lambda: {"": float(value(self._now()))})

    def _now(self) -> _Running:
        if self._running is None:
            raise Unavailable(f"The appliance is {self._words}.")
        return self._running

    def _storage(self) -> str:
        storage = self._now().archive.storage
        draft = storage.create(EXPLICIT_VR_LITTLE_ENDIAN)
        try:
            draft.write(b"Can this be written?")
            draft.sync()
        finally:
            draft.discard()
        return "An object can be written."

    def _lease(self) -> str:
        self._now().archive.lease.check()
        return "This process is the index writer."

    def _index(self) -> str:
        archive = self._now().archive
        failure = archive.indexer.failure
        if failure is not None:
            raise failure
        return f"{archive.index.count(Level.STUDY)} studies can be searched."

    def _journal(self) -> str:
        lag = self._now().archive.indexer.lag()
        words = f"{lag.instances} instances await indexing, the oldest for {lag.seconds:.1f} s"
        if lag.instances > self._settings.index_lag_limit:
            raise Unavailable(f"{words}; the limit is {self._settings.index_lag_limit}.")
        return f"{words}."

    def _workers(self) -> str:
        answering = _answering(self._now())
        if not answering:
            raise Unavailable("No worker process answers.")
        return f"{answering} of {self._settings.workers} worker processes answer."

    def _entities(self) -> dict[str, float]:
        index = self._now().archive.index
        return {level.name: float(index.count(level)) for level in Level}


def _answering(now: _Running) -> int:
    return now.dimse.report() if isinstance(now.dimse, Crew) else 1

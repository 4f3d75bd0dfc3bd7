"""``pacs serve``: an archive with a DIMSE and an HTTP server round it, from start to orderly stop."""

from __future__ import annotations

import gc
import logging
import threading
from contextlib import ExitStack
from functools import partial

from pacs import __version__
from pacs.app.compose import Archive, dimse_config, peers, tune_interpreter, writing
from pacs.app.crew import Crew
from pacs.app.observers import Observers
from pacs.app.reindex import fill_where_needed
from pacs.app.shutdown import Shutdown, StoppedEarly, end_within
from pacs.app.watch import Watch
from pacs.archive.find import Find
from pacs.archive.observer import Observer
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.console.factory import About, create_app
from pacs.console.health import Readiness
from pacs.console.metrics import OperationMetrics, new_registry
from pacs.console.server import HTTPServer
from pacs.dimse.negotiation import configure_libraries
from pacs.dimse.server import DimseServer
from pacs.errors import IndexUnavailable, LeaseLost, PacsError
from pacs.logs import OperationLog
from pacs.settings import Settings

logger = logging.getLogger(__name__)

END_SECONDS = 20.0
"""What the end may take over the time for operations, and as much for the indexer, before it is cut short."""
READY_SECONDS = 2.0  # a finding of /health/ready is used again for so long


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then end in order. Raises PacsError where it cannot start or go on."""
    tune_interpreter()
    shutdown = Shutdown(partial(end_within, 2 * settings.drain_limit + END_SECONDS))
    failure: list[PacsError] = []

    def fail(error: PacsError) -> None:
        failure.append(error)
        shutdown.request()

    try:
        with ExitStack() as stack:
            watch = Watch(settings)
            registry = new_registry(watch.gauges())
            metrics = OperationMetrics(registry)
            archive = stack.enter_context(writing(settings, fail))
            crew = Crew(settings, archive.indexer.settle, metrics, fail) if settings.workers else None
            if crew is not None:
                stack.callback(crew.shutdown, 0)
                crew.begin()
            http = HTTPServer(
                create_app(
                    About(__version__, settings.ae_title, settings.dimse_port),
                    Readiness(watch.checks(), READY_SECONDS),
                    registry,
                ),
                settings.bind,
                settings.http_port,
            )
            http.start()
            stack.callback(http.close)
            fill_where_needed(settings, archive)
            archive.indexer.start()
            dimse = crew or dimse_server(settings, archive, Observers(OperationLog(), metrics))
            dimse.start()
            watch.begin(archive, dimse)
            gc.collect()
            gc.freeze()
            shutdown.from_now_on_orderly()
            _tell(settings, dimse, http)
            shutdown.wait()
            logger.info("Stopping: running operations have %g s to end", settings.drain_limit)
            watch.end()
            _drain(dimse, shutdown, settings.drain_limit)
            _catch_up(archive, settings.drain_limit)
    except StoppedEarly:
        logger.info("Stopped before the start was complete")
        return
    finally:
        shutdown.close()
    if failure:
        raise failure[0]
    logger.info("Stopped")


def dimse_server(settings: Settings, archive: Archive, observer: Observer) -> DimseServer:
    """A DIMSE server in this process over ``archive``, not started."""
    configure_libraries()
    return DimseServer(
        dimse_config(settings),
        store=Store(archive.storage, archive.journal, archive.quarantine, archive.index, archive.indexer),
        find=Find(archive.index, archive.indexer.settle, settings.ae_title),
        retrieve=Retrieve(archive.storage),
        peers=peers(settings),
        observer=observer,
    )


def _tell(settings: Settings, dimse: DimseServer | Crew, http: HTTPServer) -> None:
    logger.info(
        "PACS %s is ready: AE title %s, DICOM on %s port %d, http://%s:%d/, data in %s",
        __version__,
        settings.ae_title,
        *dimse.address,
        *http.address,
        settings.data,
    )


def _drain(dimse: DimseServer | Crew, shutdown: Shutdown, seconds: float) -> None:
    """Let operations end for ``seconds``; a second signal ends them at once."""
    draining = threading.Thread(target=dimse.shutdown, args=(seconds,), name="drain")
    draining.start()
    while draining.is_alive():
        if shutdown.wait(0.05):
            logger.info("Asked again: running operations are cut off")
            dimse.shutdown(0)
    draining.join()


def _catch_up(archive: Archive, seconds: float) -> None:
    """Index what was acknowledged last. What is left, the next start finds in the journal."""
    try:
        archive.indexer.settle(seconds)
    except (IndexUnavailable, LeaseLost) as error:
        logger.warning("What was stored last is indexed at the next start: %s", error)

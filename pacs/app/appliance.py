"""``pacs serve``: an archive with a DIMSE and an HTTP server round it, from start to orderly stop."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from contextlib import ExitStack

from pacs import __version__
from pacs.app.compose import Archive, peers, writing
from pacs.app.observers import Observers
from pacs.app.reindex import fill_where_needed
from pacs.app.shutdown import Shutdown, StoppedEarly
from pacs.app.watch import Watch
from pacs.archive.find import Find
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.console.factory import About, create_app
from pacs.console.health import Readiness
from pacs.console.metrics import OperationMetrics, new_registry
from pacs.console.server import HTTPServer
from pacs.dimse.server import DimseConfig, DimseServer
from pacs.errors import PacsError
from pacs.logs import OperationLog
from pacs.settings import Settings

logger = logging.getLogger(__name__)

READY_SECONDS = 2.0  # a finding of /health/ready is used again for so long
SWITCH_SECONDS = 0.0005
"""How long a thread may hold the GIL while another wants it. Associations do little between system calls,
and at the default of 5 ms each return from one would wait that long for the indexer."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then end in order. Raises PacsError where it cannot start or go on."""
    tune_interpreter()
    shutdown = Shutdown()
    failure: list[PacsError] = []

    def fail(error: PacsError) -> None:
        failure.append(error)
        shutdown.request()

    try:
        with ExitStack() as stack:
            watch = Watch(settings)
            registry = new_registry(watch.gauges())
            archive = stack.enter_context(writing(settings, fail))
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
            dimse = dimse_server(settings, archive, Observers(OperationLog(), OperationMetrics(registry)))
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
    except StoppedEarly:
        logger.info("Stopped before the start was complete")
        return
    finally:
        shutdown.close()
    if failure:
        raise failure[0]
    logger.info("Stopped")


def dimse_server(settings: Settings, archive: Archive, observer: Observers) -> DimseServer:
    """The DIMSE server over ``archive``, not started."""
    find = Find(archive.index, archive.indexer.settle, settings.ae_title)
    store = Store(archive.storage, archive.journal, archive.quarantine, archive.index, archive.indexer)
    config = DimseConfig(
        ae_title=settings.ae_title,
        bind=settings.bind,
        port=settings.dimse_port,
        max_associations=settings.max_associations,
        max_pdu=settings.max_pdu,
        artim_seconds=settings.artim_timeout,
        network_seconds=settings.network_timeout,
        dimse_seconds=settings.dimse_timeout,
        idle_seconds=settings.idle_timeout,
        require_called_ae_title=settings.require_called_ae_title,
    )
    retrieve = Retrieve(archive.storage)
    return DimseServer(
        config, store=store, find=find, retrieve=retrieve, peers=peers(settings), observer=observer
    )


def tune_interpreter() -> None:
    """Set what Python lets a whole process choose."""
    sys.setswitchinterval(SWITCH_SECONDS)


def _tell(settings: Settings, dimse: DimseServer, http: HTTPServer) -> None:
    logger.info(
        "PACS %s is ready: AE title %s, DICOM on %s port %d, http://%s:%d/, data in %s",
        __version__,
        settings.ae_title,
        *dimse.address,
        *http.address,
        settings.data,
    )


def _drain(dimse: DimseServer, shutdown: Shutdown, seconds: float) -> None:
    """Let operations end for ``seconds``; a second signal ends them at once."""
    draining = threading.Thread(target=dimse.shutdown, args=(seconds,), name="drain")
    draining.start()
    while draining.is_alive():
        if shutdown.wait(0.05):
            logger.info("Asked again: running operations are cut off")
            dimse.shutdown(0)
    draining.join()

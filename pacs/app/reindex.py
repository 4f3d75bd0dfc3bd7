"""Fills an index anew from storage, when it was begun anew or when it is asked for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial

from pacs.app.compose import Archive, open_storage, places, processes
from pacs.app.roots import Roots
from pacs.archive.header_reader import HeaderReaders
from pacs.archive.rebuild import RebuildProgress, locations_in_place, rebuild
from pacs.dicom.location import Location
from pacs.settings import Settings

logger = logging.getLogger(__name__)

LOG_SECONDS = 5.0  # between two lines of progress in the log


def fill(
    settings: Settings, archive: Archive, progress: Callable[[RebuildProgress], None]
) -> RebuildProgress:
    """Make the index anew from storage and from what was indexed in place, and note that it is whole.

    Raises IndexUnavailable, LeaseLost.
    """
    in_place: Iterable[Location]
    if archive.index.needs_rebuild:
        in_place = Roots(places(settings).roots).locations()
    else:
        in_place = locations_in_place(archive.index)
    with HeaderReaders(partial(open_storage, settings), processes(settings)) as readers:
        done = rebuild(archive.index, archive.storage, in_place=in_place, readers=readers, progress=progress)
    archive.index.rebuilt()
    return done


def fill_where_needed(settings: Settings, archive: Archive) -> None:
    """Make the index anew where it does not hold what storage holds, telling the log how far it is."""
    if not archive.index.needs_rebuild:
        return
    told = time.monotonic()

    def tell(progress: RebuildProgress) -> None:
        nonlocal told
        if time.monotonic() - told >= LOG_SECONDS:
            told = time.monotonic()
            logger.info("The index is made anew: %d instances so far", progress.indexed)

    done = fill(settings, archive, tell)
    if done.indexed or done.refused:
        logger.info(
            "The index was made anew from storage: %d instances in %.0f s, %d objects refused",
            done.indexed,
            done.seconds,
            done.refused,
        )

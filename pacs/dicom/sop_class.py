"""SOP classes (PS3.6 table A-1): which are stored, and what they are called."""

from __future__ import annotations

from functools import cache

from pydicom._uid_dict import UID_dictionary

VERIFICATION = "1.2.840.10008.1.1"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_COMPOSITE_INSTANCES = "1.2.840.10008.5.1.4.1.1."
"""Where the standard keeps its storage SOP classes, retired ones without a name too."""


def name_of(uid: str) -> str:
    """The name PS3.6 gives ``uid``; the UID itself where it gives none."""
    entry = UID_dictionary.get(uid)
    return entry[0] or uid if entry else uid


@cache
def storage_sop_classes() -> tuple[str, ...]:
    """The UIDs of all storage SOP classes of PS3.6, retired ones too, in the order of the table."""
    return tuple(uid for uid, entry in UID_dictionary.items() if _is_storage(uid, entry[0], entry[1]))


def _is_storage(uid: str, name: str, kind: str) -> bool:
    if kind != "SOP Class" or uid == MEDIA_STORAGE_DIRECTORY:
        return False
    if not name:
        return uid.startswith(_COMPOSITE_INSTANCES)
    return "Storage" in name and "Commitment" not in name


@cache
def _others() -> frozenset[str]:
    """Every UID of PS3.6 that is no storage SOP class: services, transfer syntaxes, coding schemes."""
    return frozenset(UID_dictionary) - frozenset(storage_sop_classes())


def is_storage(uid: str) -> bool:
    """Instances of the SOP class ``uid`` are stored (PS3.4 annex B).

    So they are where PS3.6 does not know it: a private SOP class, or one of a later edition.
    """
    return uid not in _others()


def is_retired(uid: str) -> bool:
    """PS3.6 has retired ``uid``."""
    entry = UID_dictionary.get(uid)
    return entry is not None and entry[3] == "Retired"

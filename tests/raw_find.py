"""C-FIND over a raw connection: what is asked and answered, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.wire import (
    IMPLICIT,
    STUDY_ROOT_FIND,
    Association,
    decode_identifier,
    encode_identifier,
)
from tests.appliance import Appliance

QUERY_LEVEL = 0x00080052
SOP_INSTANCE_UID = 0x00080018
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E

CONTEXTS = [(STUDY_ROOT_FIND, [IMPLICIT])]


def find(
    assoc: Association, level: str, keys: Mapping[int, str | bytes], sop_class_uid: str = STUDY_ROOT_FIND
) -> list[dict[int, bytes]]:
    """One C-FIND that must succeed; the answers' elements by tag."""
    responses = list(assoc.query(sop_class_uid, encode_identifier({QUERY_LEVEL: level, **keys})))
    assert responses[-1][0]["Status"] == 0, responses[-1]
    return [decode_identifier(data) for _, data in responses[:-1]]


def every_instance(appliance: Appliance) -> set[str]:
    """The SOP Instance UIDs that queries find, from studies through series down to instances."""
    found = set()
    with appliance.association(CONTEXTS) as assoc:
        for study in find(assoc, "STUDY", {STUDY_INSTANCE_UID: ""}):
            above = {STUDY_INSTANCE_UID: study[STUDY_INSTANCE_UID]}
            for series in find(assoc, "SERIES", {**above, SERIES_INSTANCE_UID: ""}):
                keys = {**above, SERIES_INSTANCE_UID: series[SERIES_INSTANCE_UID], SOP_INSTANCE_UID: b""}
                found |= {image[SOP_INSTANCE_UID].decode() for image in find(assoc, "IMAGE", keys)}
    return found

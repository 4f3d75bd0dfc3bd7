"""Attributes: tag, keyword, VR and level of each (PS3.6; PS3.4 section C.6).

The data dictionary is pydicom's, put into plain dictionaries at first use. Where PS3.6 offers several VRs
(``US or SS``), one is the dictionary's here (``US``); a header whose VR is the other says so in ``vrs``.
"""

from __future__ import annotations

import difflib
import re
from functools import cache

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.dicom.level_attribute import (
    IMAGE_ATTRIBUTES,
    PATIENT_ATTRIBUTES,
    SERIES_ATTRIBUTES,
    STUDY_ATTRIBUTES,
)
from pacs.errors import InvalidQuery

BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
"""Values of no interest to a header: pixels, waveforms, documents."""

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""Character strings that Specific Character Set (0008,0005) applies to (PS3.5 section 6.1.2.2)."""

SINGLE_TEXT_VRS = frozenset({"LT", "ST", "UR", "UT"})
"""Character strings of one value only, in which a backslash is a character like any other."""

STRING_VRS = TEXT_VRS | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}
"""All VRs that are character strings on the wire."""

BINARY_NUMBER_VRS = frozenset({"FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
"""Numbers that are binary on the wire and decimal text in a header."""

NUMBER_VRS = BINARY_NUMBER_VRS | {"DS", "IS"}
"""VRs whose values compare as numbers."""

TEMPORAL_VRS = frozenset({"DA", "DT", "TM"})
"""VRs whose values compare as points in time, and that range matching applies to."""

VRS = STRING_VRS | BINARY_NUMBER_VRS | BULK_VRS | {"AT", "SQ", "UN"}
"""Every VR of PS3.5 table 6.2-1."""

LEVEL_ATTRIBUTES: dict[Level, frozenset[int]] = {
    Level.PATIENT: PATIENT_ATTRIBUTES,
    Level.STUDY: STUDY_ATTRIBUTES,
    Level.SERIES: SERIES_ATTRIBUTES,
    Level.IMAGE: IMAGE_ATTRIBUTES,
}
"""The attributes of each level; all that are in no table belong to ``Level.IMAGE``."""

UNIQUE_KEY: dict[Level, int] = {
    Level.PATIENT: tags.PATIENT_ID,
    Level.STUDY: tags.STUDY_INSTANCE_UID,
    Level.SERIES: tags.SERIES_INSTANCE_UID,
    Level.IMAGE: tags.SOP_INSTANCE_UID,
}
"""The unique key of each level (PS3.4 section C.2.2.1.1)."""

COMPUTED: dict[Level, frozenset[int]] = {
    Level.PATIENT: frozenset(
        {
            tags.NUMBER_OF_PATIENT_RELATED_STUDIES,
            tags.NUMBER_OF_PATIENT_RELATED_SERIES,
            tags.NUMBER_OF_PATIENT_RELATED_INSTANCES,
        }
    ),
    Level.STUDY: frozenset(
        {
            tags.MODALITIES_IN_STUDY,
            tags.SOP_CLASSES_IN_STUDY,
            tags.NUMBER_OF_STUDY_RELATED_SERIES,
            tags.NUMBER_OF_STUDY_RELATED_INSTANCES,
        }
    ),
    Level.SERIES: frozenset({tags.NUMBER_OF_SERIES_RELATED_INSTANCES}),
    Level.IMAGE: frozenset(),
}
"""Attributes of an entity that no instance holds, but that follow from all of its instances (PS3.4 C.3.4)."""

_CHOSEN_VR = {
    "US or SS": "US",
    "US or OW": "OW",
    "US or SS or OW": "OW",
    "OB or OW": "OW",
    "NONE": "UN",
}

_HEXADECIMAL_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),? ?([0-9A-Fa-f]{4})\)?")


class VRDictionary(dict[int, str]):
    """VR by tag for the whole of PS3.6; ``UN`` for unknown tags, which are not kept.

    Repeating groups (50xx, 60xx), group lengths and private creators follow from their pattern.
    """

    def __missing__(self, tag: int) -> str:
        return _patterned_vr(tag)


def _patterned_vr(tag: int) -> str:
    if tag & 0xFFFF == 0:
        return "UL"
    if tag & 0x10000:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    entry = _repeater(tag)
    return entry[0] if entry is not None else "UN"


def _repeater(tag: int) -> tuple[str, str] | None:
    """VR and keyword of a tag of a repeating group (PS3.5 section 7.6)."""
    text = f"{tag:08x}"
    for pattern, vr, keyword in _repeaters():
        if all(wanted in ("x", given) for wanted, given in zip(pattern, text, strict=True)):
            return _CHOSEN_VR.get(vr, vr), keyword
    return None


@cache
def _repeaters() -> tuple[tuple[str, str, str], ...]:
    return tuple((mask.lower(), entry[0], entry[4]) for mask, entry in RepeatersDictionary.items())


@cache
def vr_dictionary() -> VRDictionary:
    """The VR of every standard tag; the one dictionary that readers and writers look into."""
    return VRDictionary((tag, _CHOSEN_VR.get(entry[0], entry[0])) for tag, entry in DicomDictionary.items())


@cache
def signed_or_unsigned() -> frozenset[int]:
    """Tags that PS3.6 calls ``US or SS``: Pixel Representation (0028,0103) decides."""
    return frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "US or SS")


@cache
def _keywords() -> dict[str, int]:
    return {entry[4]: tag for tag, entry in DicomDictionary.items() if entry[4]}


@cache
def _folded_keywords() -> dict[str, int]:
    return {keyword.casefold(): tag for keyword, tag in _keywords().items()}


@cache
def _keyword_by_tag() -> dict[int, str]:
    return {tag: keyword for keyword, tag in _keywords().items()}


def tag_of(name: str) -> int:
    """The tag of a keyword (``PatientID``, in any case) or of ``ggggeeee``, ``gggg,eeee`` or ``(gggg,eeee)``.

    Raises InvalidQuery, naming the nearest known keyword.
    """
    tag = _keywords().get(name)
    if tag is None:
        tag = _folded_keywords().get(name.casefold())
    if tag is not None:
        return tag
    match = _HEXADECIMAL_TAG.fullmatch(name)
    if match:
        return int(match[1] + match[2], 16)
    near = difflib.get_close_matches(name[:64], _keywords(), n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InvalidQuery(f"No attribute is called {name[:64]!r}.{hint} Use a keyword of PS3.6, or ggggeeee.")


def keyword_of(tag: int) -> str:
    """The keyword of ``tag``; empty where PS3.6 has none."""
    keyword = _keyword_by_tag().get(tag)
    if keyword is None:
        entry = None if tag & 0x10000 else _repeater(tag)
        return entry[1] if entry else ""
    return keyword


def vr_of(tag: int, header: Header | None = None) -> str:
    """The VR of ``tag``: the header's own where it says so, else the dictionary's, else ``UN``."""
    if header is not None:
        vr = header.vrs.get(tag)
        if vr is not None:
            return vr
    return vr_dictionary()[tag]


@cache
def _levels() -> dict[int, Level]:
    return {tag: level for level, attributes in LEVEL_ATTRIBUTES.items() for tag in attributes}


def level_of(tag: int) -> Level:
    """The level whose entities ``tag`` describes; ``Level.IMAGE`` where no table lists it."""
    return _levels().get(tag, Level.IMAGE)

"""The Query/Retrieve information models, their levels, and what was negotiated (PS3.4 C.3 and C.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pacs.dicom import tags
from pacs.dicom.header import Header
from pacs.dicom.level import Level
from pacs.errors import InvalidQuery


class Model(Enum):
    """An information model: its name, and its levels from the root downwards."""

    PATIENT_ROOT = ("Patient Root", (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE))
    STUDY_ROOT = ("Study Root", (Level.STUDY, Level.SERIES, Level.IMAGE))
    PATIENT_STUDY_ONLY = ("Patient/Study Only", (Level.PATIENT, Level.STUDY))

    def __init__(self, title: str, levels: tuple[Level, ...]) -> None:
        self.title = title
        self.levels = levels


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What SOP Class Extended Negotiation agreed on for C-FIND (PS3.4 section C.5.1.1).

    ``relational`` changes nothing: keys of all levels are matched without it too. ``empty_value`` makes
    ``""`` ask for attributes without a value (C.2.2.2.7).
    """

    relational: bool = False
    combined_datetime: bool = False
    fuzzy: bool = False
    timezone: bool = False
    empty_value: bool = False


def level_asked(identifier: Header, model: Model) -> Level:
    """The Query/Retrieve Level (0008,0052) of an identifier.

    Raises InvalidQuery where there is none, or none of ``model``.
    """
    text = identifier.text(tags.QUERY_RETRIEVE_LEVEL).strip(" \0").upper()
    if not text:
        raise InvalidQuery("QueryRetrieveLevel (0008,0052) is missing")
    if text not in Level.__members__:
        raise InvalidQuery("QueryRetrieveLevel is not PATIENT, STUDY, SERIES or IMAGE")
    level = Level[text]
    if level not in model.levels:
        raise InvalidQuery(f"{model.title} has no {level.name} level")
    return level

"""The levels of the Query/Retrieve information models (PS3.4 section C.6)."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """A Query/Retrieve Level (0008,0052); a lower number is nearer to the patient."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3

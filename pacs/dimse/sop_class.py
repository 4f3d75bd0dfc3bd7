"""The Query/Retrieve SOP classes (PS3.4 section C.3)."""

from __future__ import annotations

from pacs.dimse.message import CommandField
from pacs.query.identifier import Model

QUERY_RETRIEVE: dict[str, tuple[CommandField, Model]] = {
    "1.2.840.10008.5.1.4.1.2.1.1": (CommandField.C_FIND_RQ, Model.PATIENT_ROOT),
    "1.2.840.10008.5.1.4.1.2.1.2": (CommandField.C_MOVE_RQ, Model.PATIENT_ROOT),
    "1.2.840.10008.5.1.4.1.2.1.3": (CommandField.C_GET_RQ, Model.PATIENT_ROOT),
    "1.2.840.10008.5.1.4.1.2.2.1": (CommandField.C_FIND_RQ, Model.STUDY_ROOT),
    "1.2.840.10008.5.1.4.1.2.2.2": (CommandField.C_MOVE_RQ, Model.STUDY_ROOT),
    "1.2.840.10008.5.1.4.1.2.2.3": (CommandField.C_GET_RQ, Model.STUDY_ROOT),
    "1.2.840.10008.5.1.4.1.2.3.1": (CommandField.C_FIND_RQ, Model.PATIENT_STUDY_ONLY),
    "1.2.840.10008.5.1.4.1.2.3.2": (CommandField.C_MOVE_RQ, Model.PATIENT_STUDY_ONLY),
    "1.2.840.10008.5.1.4.1.2.3.3": (CommandField.C_GET_RQ, Model.PATIENT_STUDY_ONLY),
}
"""The Query/Retrieve SOP classes: their request, and their information model (PS3.4 section C.3)."""

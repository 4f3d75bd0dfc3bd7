"""Which service an abstract syntax asks for (PS3.4): verification, storage, query/retrieve, or none."""

from __future__ import annotations

from pydicom.uid import UID
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import uid_to_service_class

from pacs.dimse.message import CommandField
from pacs.query.identifier import Model

VERIFICATION = "1.2.840.10008.1.1"

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

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


def is_storage(abstract_syntax: str) -> bool:
    """Whether instances of this SOP class are stored: all storage classes, retired, unknown and private ones.

    A UID that no dictionary knows counts as a storage class that is newer than the dictionary, or private.
    """
    if uid_to_service_class(abstract_syntax) is StorageServiceClass:
        return True
    uid = UID(abstract_syntax)
    if uid.is_private or not uid.keyword:
        return True
    return (
        uid.type == "SOP Class"
        and "Storage" in uid.name
        and "Commitment" not in uid.name
        and uid != _MEDIA_STORAGE_DIRECTORY
    )

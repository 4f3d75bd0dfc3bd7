"""The archive's layout: which relative path an instance has. Pure.

``<hhh>/<Study Instance UID>/<Series Instance UID>/<SOP Instance UID>.dcm``, where ``hhh`` are three
hexadecimal digits of a hash of the Study Instance UID: 4096 folders share the studies, so that a million
studies make folders of some 250 entries. The path follows from the UIDs alone, which makes "is it here
already" one look-up, and tells the UIDs back without reading the file.
"""

from __future__ import annotations

import re
from zlib import crc32

from pacs.dicom.uid import check_uid
from pacs.errors import NotFound

_UID = r"[0-9]+(?:\.[0-9]+)*"
_URI = re.compile(rf"[0-9a-f]{{3}}/({_UID})/({_UID})/({_UID})\.dcm")


def folder_of(study_instance_uid: str, series_instance_uid: str = "") -> str:
    """The folder of a study, or of a series in it. Raises InvalidUID."""
    study = check_uid(study_instance_uid)
    folder = f"{crc32(study.encode('ascii')) & 0xFFF:03x}/{study}"
    return f"{folder}/{check_uid(series_instance_uid)}" if series_instance_uid else folder


def uri_of(study_instance_uid: str, series_instance_uid: str, sop_instance_uid: str) -> str:
    """Where an instance belongs, relative to the storage. Raises InvalidUID."""
    series = check_uid(series_instance_uid)
    return f"{folder_of(study_instance_uid)}/{series}/{check_uid(sop_instance_uid)}.dcm"


def uids_of(uri: str) -> tuple[str, str, str]:
    """Study, Series and SOP Instance UID of ``uri``. Raises NotFound where it is none of this layout."""
    match = _URI.fullmatch(uri)
    if match is None or uri != uri_of(*match.groups()):
        raise NotFound("A path that is not of the archive's layout names no stored instance.")
    study, series, instance = match.groups()
    return study, series, instance


def is_in_place(uri: str) -> bool:
    """``uri`` is the absolute path of an instance that is indexed where it lies."""
    return uri.startswith("/")

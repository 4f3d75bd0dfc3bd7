"""Writes what the code says into CONFORMANCE.md: ``python -m pacs.conformance CONFORMANCE.md``.

The statement's text is written by hand; its tables stand between ``<!-- table: name -->`` and
``<!-- end -->``, and are made here from the same objects that the program works with.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID, AllTransferSyntaxes

from pacs.archive.decompress import can_decode, installed_decoders
from pacs.dicom import charset
from pacs.dicom.attribute import COMPUTED, LEVEL_ATTRIBUTES, UNIQUE_KEY, keyword_of
from pacs.dicom.level import Level
from pacs.dicom.sop_class import VERIFICATION, is_storage
from pacs.dicom.status import FindStatus, GetStatus, MoveStatus, Status, StoreStatus
from pacs.dicom.transfer_syntax import transfer_syntax
from pacs.dicom.uid import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pacs.dimse import failure
from pacs.dimse.negotiation import OWN_SYNTAXES, REJECTIONS
from pacs.dimse.sop_class import QUERY_RETRIEVE
from pacs.dimse.store_scu import NATIVE
from pacs.query.model import Model
from pacs.settings import BY_NAME

CHARACTER_SETS: tuple[tuple[str, str, str], ...] = (
    ("ISO_IR 100", "Latin alphabet No. 1", "é"),
    ("ISO_IR 101", "Latin alphabet No. 2", "ł"),
    ("ISO_IR 109", "Latin alphabet No. 3", "ĉ"),
    ("ISO_IR 110", "Latin alphabet No. 4", "ē"),
    ("ISO_IR 144", "Cyrillic", "Ж"),
    ("ISO_IR 127", "Arabic", "ع"),
    ("ISO_IR 126", "Greek", "Δ"),
    ("ISO_IR 138", "Hebrew", "ש"),
    ("ISO_IR 148", "Latin alphabet No. 5", "ş"),
    ("ISO_IR 203", "Latin alphabet No. 9", "€"),
    ("ISO_IR 13", "Japanese (JIS X 0201)", "ﾔ"),
    ("ISO_IR 166", "Thai", "ก"),
    ("ISO 2022 IR 87", "Japanese (JIS X 0208)", "山"),
    ("ISO 2022 IR 159", "Japanese (JIS X 0212)", "丂"),
    ("ISO 2022 IR 149", "Korean (KS X 1001)", "김"),
    ("ISO 2022 IR 58", "Simplified Chinese (GB 2312)", "王"),
    ("ISO_IR 192", "Unicode in UTF-8", "王"),
    ("GB18030", "Chinese (GB 18030)", "王"),
    ("GBK", "Simplified Chinese (GBK)", "王"),
)
"""Defined terms of PS3.3 section C.12.1.1.2, what they are, and a character that only works if they do."""

TIMES = ("artim-timeout", "network-timeout", "dimse-timeout", "idle-timeout", "drain-limit")
LIMITS = ("max-associations", "max-pdu", "require-called-ae-title", "storage-reserve")
NETWORK = ("ae-title", "bind", "dimse-port", "dimse-proxy-port")


def identification() -> str:
    """What we call ourselves in associations and files."""
    rows = (
        ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
        ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
    )
    return _table(("item", "value"), rows)


def services() -> str:
    """The SOP classes but for storage."""
    rows = [(UID(VERIFICATION).name, VERIFICATION, "", "yes", "yes")]
    for uid, (_, model) in QUERY_RETRIEVE.items():
        rows.append((UID(uid).name, uid, " ".join(level.name for level in model.levels), "no", "yes"))
    return _table(("SOP class", "UID", "levels", "SCU", "SCP"), rows)


def storage() -> str:
    """The storage SOP classes that the data dictionary names."""
    known = sorted(
        (UID(uid).name, uid)
        for uid, entry in UID_dictionary.items()
        if entry[1] == "SOP Class" and is_storage(uid)
    )
    return _table(("SOP class", "UID"), known)


def syntaxes() -> str:
    """The transfer syntaxes of the data dictionary."""
    plugins = installed_decoders()
    rows = []
    for uid in map(str, AllTransferSyntaxes):
        syntax = transfer_syntax(uid)
        if not syntax.encapsulated:
            converted = "as it is a native one"
        else:
            converted = f"by {' or '.join(plugins[uid])}" if can_decode(uid) else "no"
        rows.append((UID(uid).name, uid, "yes", converted))
    return _table(("transfer syntax", "UID", "stored as received", "sent in a native one instead"), rows)


def own_syntaxes() -> str:
    """In what identifiers are encoded, and what is offered when sending."""
    rows = [(UID(uid).name, "yes", "yes" if uid in NATIVE else "no") for uid in OWN_SYNTAXES]
    return _table(("transfer syntax", "identifiers", "offered beside the stored one when sending"), rows)


def keys() -> str:
    """Unique and computed keys of each level."""
    rows = []
    for level in Level:
        computed = ", ".join(sorted(map(keyword_of, COMPUTED[level])))
        models = ", ".join(model.title for model in Model if level in model.levels)
        rows.append((level.name, keyword_of(UNIQUE_KEY[level]), computed, models))
    return _table(("level", "unique key", "computed keys", "information models"), rows)


def level_keys() -> str:
    """The attributes that belong to each level."""
    rows = [
        (level.name, ", ".join(sorted(filter(None, map(keyword_of, LEVEL_ATTRIBUTES[level])))))
        for level in Level
        if level is not Level.IMAGE
    ]
    return _table(("level", "attributes"), [*rows, ("IMAGE", "all others, private ones included")])


def store_statuses() -> str:
    """The answers to C-STORE."""
    done = (StoreStatus.SUCCESS, StoreStatus.COERCION, StoreStatus.SOP_CLASS_NOT_SUPPORTED)
    return _statuses(StoreStatus, failure.STORE, done)


def find_statuses() -> str:
    """The answers to C-FIND."""
    return _statuses(FindStatus, failure.FIND, (FindStatus.SUCCESS, FindStatus.CANCELLED, FindStatus.PENDING))


def move_statuses() -> str:
    """The answers to C-MOVE."""
    done = (
        MoveStatus.SUCCESS,
        MoveStatus.CANCELLED,
        MoveStatus.PENDING,
        MoveStatus.SUB_OPERATIONS_FAILED,
        MoveStatus.OUT_OF_RESOURCES_SUB_OPERATIONS,
    )
    return _statuses(MoveStatus, failure.RETRIEVE, done)


def get_statuses() -> str:
    """The answers to C-GET."""
    done = (
        GetStatus.SUCCESS,
        GetStatus.CANCELLED,
        GetStatus.PENDING,
        GetStatus.SUB_OPERATIONS_FAILED,
        GetStatus.OUT_OF_RESOURCES_SUB_OPERATIONS,
    )
    table = [row for row in failure.RETRIEVE if row[1] != MoveStatus.DESTINATION_UNKNOWN]
    return _statuses(GetStatus, table, done)


def rejections() -> str:
    """Why associations are rejected."""
    return _table(
        ("result", "source", "reason", "why"),
        [(str(r.result), str(r.source), str(r.reason), r.text) for r in REJECTIONS],
    )


def character_sets() -> str:
    """The character sets that are decoded and encoded."""
    rows = []
    for term, words, sample in CHARACTER_SETS:
        # A set of two bytes needs ASCII beside it, as PS3.5 section 6.1.2.5.4 has it.
        value = f"\\{term}" if term.startswith("ISO 2022") else term
        works = charset.decode(charset.encode(sample, value), value) == sample
        rows.append((f"`{term}`", words, "yes" if works else "no"))
    return _table(("defined term", "character set", "in queries and answers"), rows)


def settings(names: Iterable[str]) -> Callable[[], str]:
    """A table of the settings ``names``."""

    def rows() -> str:
        chosen = [BY_NAME[name] for name in names]
        return _table(
            ("parameter", "unit", "default", "meaning"),
            [(f"`{s.flag}`", s.kind.unit, f"`{s.default}`" if s.default else "", s.help) for s in chosen],
        )

    return rows


TABLES: dict[str, Callable[[], str]] = {
    "identification": identification,
    "services": services,
    "storage": storage,
    "syntaxes": syntaxes,
    "own-syntaxes": own_syntaxes,
    "keys": keys,
    "level-keys": level_keys,
    "store-statuses": store_statuses,
    "find-statuses": find_statuses,
    "move-statuses": move_statuses,
    "get-statuses": get_statuses,
    "rejections": rejections,
    "character-sets": character_sets,
    "times": settings(TIMES),
    "limits": settings(LIMITS),
    "network": settings(NETWORK),
}

_PLACE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(text: str) -> str:
    """``text`` with every table as the code has it. Raises KeyError for a table that there is not."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n{place[3]}", text)


def _statuses(kind: type[Status], table: Sequence[tuple[object, Status]], done: Sequence[Status]) -> str:
    codes = sorted({*map(int, done), *(int(status) for _, status in table)})
    statuses = [kind(code) for code in codes]  # type: ignore[call-arg]
    rows = [(f"{s.code:04X}", s.category.value, s.text, s.section) for s in statuses]
    return _table(("status", "category", "when", "defined in"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    statement = Path(sys.argv[1])
    statement.write_text(render(statement.read_text(encoding="utf-8")), encoding="utf-8")

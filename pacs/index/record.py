"""Records: an entity as the bytes that an engine stores, in two parts, the second read only when asked for.

``core`` is the identity, location and tally, and the attributes that queries and answers of all levels are
about (``core_tags``); ``rest`` is every other attribute. A STUDY query of many answers reads ``core`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, Sequence, ValuesView
from functools import cache
from typing import Any

import msgspec

from pacs.dicom import tags
from pacs.dicom.attribute import COMPUTED, LEVEL_ATTRIBUTES, vr_dictionary
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
from pacs.errors import IndexUnavailable
from pacs.index import packing
from pacs.index.packing import Pairs
from pacs.index.protocol import Entity, Identity

RECORD_VERSION = 1
"""To be raised whenever what is stored, or what is made terms of, changes: indexes of another are rebuilt."""

_OF_ALL_LEVELS = {
    tags.SPECIFIC_CHARACTER_SET,
    tags.SOP_CLASS_UID,
    tags.SOP_INSTANCE_UID,
    tags.MODALITY,
    tags.TIMEZONE_OFFSET_FROM_UTC,
    tags.STUDY_INSTANCE_UID,
    tags.SERIES_INSTANCE_UID,
}.union(*COMPUTED.values())


def _core_tags(level: Level) -> frozenset[int]:
    vrs = vr_dictionary()
    above = (LEVEL_ATTRIBUTES[each] for each in Level if each <= level)
    return frozenset(tag for tag in _OF_ALL_LEVELS.union(*above) if vrs[tag] != "SQ")


@cache
def core_tags() -> tuple[frozenset[int], ...]:
    """For each level the tags that ``core`` tells about: one that is not there is not in the header."""
    return tuple(_core_tags(level) for level in Level)


class _Core(msgspec.Struct, array_like=True, gc=False):
    patient: str
    study: str
    series: str
    instance: str
    order: int
    tally: tuple[tuple[str, int], ...]
    location: tuple[str, str, int, int] | None
    attributes: Any


_encode = msgspec.msgpack.Encoder().encode
_decode_core = msgspec.msgpack.Decoder(_Core).decode


class LazyAttributes(dict[int, Value]):
    """A dictionary by tag that knows what ``core`` tells, and reads ``rest`` when that is not enough.

    For one thread at a time, and to be read only.
    """

    __slots__ = ("_core", "_load")

    def __init__(self, known: dict[int, Value], core: frozenset[int], load: Callable[[], bytes]) -> None:
        super().__init__(known)
        self._core = core
        self._load: Callable[[], bytes] | None = load

    def _fill(self) -> None:
        load, self._load = self._load, None
        if load is not None:
            everything = packing.unpack(load()).values
            everything.update(super().items())
            super().clear()
            super().update(sorted(everything.items()))

    def get(self, tag: int, default: Any = None) -> Any:
        """As of any dictionary."""
        if self._load is not None and tag not in self._core:
            self._fill()
        return super().get(tag, default)

    def __missing__(self, tag: int) -> Value:
        if self._load is None or tag in self._core:
            raise KeyError(tag)
        self._fill()
        return self[tag]

    def __contains__(self, tag: object) -> bool:
        if self._load is not None and tag not in self._core:
            self._fill()
        return super().__contains__(tag)

    def __iter__(self) -> Iterator[int]:
        self._fill()
        return super().__iter__()

    def __reversed__(self) -> Iterator[int]:
        self._fill()
        return super().__reversed__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def __bool__(self) -> bool:
        return len(self) > 0

    def __eq__(self, other: object) -> bool:
        self._fill()
        if isinstance(other, LazyAttributes):
            other._fill()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        self._fill()
        return super().__repr__()

    def __or__(self, other: Any) -> Any:
        self._fill()
        return super().__or__(other)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (list(self.items()),)

    def copy(self) -> dict[int, Value]:
        """A plain dictionary of everything."""
        self._fill()
        return super().copy()

    def keys(self) -> KeysView[int]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().keys()

    def values(self) -> ValuesView[Value]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().values()

    def items(self) -> ItemsView[int, Value]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().items()


def core_pairs(level: Level, values: dict[int, Value]) -> Pairs:
    """What of ``values`` belongs into the first part of a record of ``level``."""
    core = core_tags()[level]
    return packing.pairs({tag: value for tag, value in values.items() if tag in core})


def rest_pairs(values: dict[int, Value]) -> Pairs:
    """What of ``values`` belongs into the second part: all but those that ``core`` has at every level."""
    everywhere = core_tags()[Level.PATIENT]
    return packing.pairs({tag: value for tag, value in values.items() if tag not in everywhere})


def pack_core(entity: Entity, attributes: Sequence[Pairs]) -> bytes:
    """The first part of the record of ``entity``, whose attributes in it are ``attributes``."""
    identity, location = entity.identity, entity.location
    return _encode(
        (
            identity.patient,
            identity.study,
            identity.series,
            identity.instance,
            entity.order,
            entity.tally,
            None
            if location is None
            else (location.uri, location.transfer_syntax_uid, location.size, location.mtime_ns),
            # All VRs are here: an answer looks through them, whatever it asks for.
            msgspec.Raw(packing.joined(attributes, entity.header.vrs)),
        )
    )


def pack_rest(attributes: Sequence[Pairs]) -> bytes:
    """The second part of a record.

    It is the same for all entities that have their attributes from one instance.
    """
    return packing.joined(attributes, {})


def unpack(core: bytes, load_rest: Callable[[], bytes]) -> Entity:
    """The entity of a record; ``load_rest`` is called when an attribute outside ``core`` is asked for.

    Raises IndexUnavailable for bytes that are no record.
    """
    try:
        record = _decode_core(core)
    except (msgspec.MsgspecError, ValueError) as error:
        raise IndexUnavailable(
            "The index is damaged. Run `pacs rebuild` to make it anew from storage."
        ) from error
    known = packing.header_of(record.attributes)
    location = record.location
    identity = Identity(record.patient, record.study, record.series, record.instance)
    tags_of_core = core_tags()[identity.level]
    return Entity(
        identity,
        Header(LazyAttributes(known.values, tags_of_core, load_rest), known.vrs),
        None if location is None else Location(*location),
        record.tally,
        record.order,
    )

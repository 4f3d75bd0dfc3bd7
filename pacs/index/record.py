"""Records: an entity as the bytes that an engine stores, in two parts, the second read only when asked for.

``core`` is the identity, location and tally, and the attributes that queries and answers of all levels are
about (``core_tags``); ``rest`` is every other attribute. A STUDY query of many answers reads ``core`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from functools import cache
from typing import Any, TypeAlias, TypeVar

import msgspec

from pacs.dicom import tags
from pacs.dicom.attribute import COMPUTED, LEVEL_ATTRIBUTES, vr_dictionary
from pacs.dicom.header import Header, Value
from pacs.dicom.level import Level
from pacs.dicom.location import Location
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


Texts: TypeAlias = dict[int, str]
Sequences: TypeAlias = dict[int, list[Any]]
"""Sequences by tag; an item is ``[texts, sequences, vrs]``."""

T = TypeVar("T")


class _Core(msgspec.Struct, array_like=True, gc=False):
    patient: str
    study: str
    series: str
    instance: str
    order: int
    tally: tuple[tuple[str, int], ...]
    location: tuple[str, str, int, int] | None
    texts: Texts
    sequences: Sequences
    vrs: dict[int, str]


class _Rest(msgspec.Struct, array_like=True, gc=False):
    texts: Texts
    sequences: Sequences
    vrs: dict[int, str]


_encode = msgspec.msgpack.Encoder().encode
_decode_core = msgspec.msgpack.Decoder(_Core).decode
_decode_rest = msgspec.msgpack.Decoder(_Rest).decode


class LazyAttributes(dict[int, T]):
    """A dictionary by tag that knows what ``core`` tells, and reads ``rest`` when that is not enough.

    For one thread at a time, and to be read only.
    """

    __slots__ = ("_core", "_load")

    def __init__(self, known: dict[int, T], core: frozenset[int], load: Callable[[], dict[int, T]]) -> None:
        super().__init__(known)
        self._core = core
        self._load: Callable[[], dict[int, T]] | None = load

    def _fill(self) -> None:
        load, self._load = self._load, None
        if load is not None:
            everything = load()
            everything.update(super().items())
            super().clear()
            super().update(sorted(everything.items()))

    def get(self, tag: int, default: Any = None) -> Any:
        """As of any dictionary."""
        if self._load is not None and tag not in self._core:
            self._fill()
        return super().get(tag, default)

    def __missing__(self, tag: int) -> T:
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

    def copy(self) -> dict[int, T]:
        """A plain dictionary of everything."""
        self._fill()
        return super().copy()

    def keys(self) -> KeysView[int]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().keys()

    def values(self) -> ValuesView[T]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().values()

    def items(self) -> ItemsView[int, T]:  # type: ignore[override]
        """As of any dictionary."""
        self._fill()
        return super().items()


def pack_core(entity: Entity) -> bytes:
    """The first part of the record of ``entity``."""
    identity, header, location = entity.identity, entity.header, entity.location
    core = core_tags()[identity.level]
    values = header.values
    texts: Texts = {}
    sequences: Sequences = {}
    for tag in values.keys() & core:
        _put(values[tag], tag, texts, sequences)
    vrs = {tag: vr for tag, vr in header.vrs.items() if tag in core} if header.vrs else {}
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
            texts,
            sequences,
            vrs,
        )
    )


def pack_rest(header: Header) -> bytes:
    """The second part of a record: all attributes but those that ``core`` has at every level.

    It is the same for all entities that have their attributes from one instance.
    """
    everywhere = core_tags()[Level.PATIENT]
    texts: Texts = {}
    sequences: Sequences = {}
    for tag, value in header.values.items():
        if tag not in everywhere:
            _put(value, tag, texts, sequences)
    return _encode((texts, sequences, {tag: vr for tag, vr in header.vrs.items() if tag not in everywhere}))


def unpack(core: bytes, load_rest: Callable[[], bytes]) -> Entity:
    """The entity of a record; ``load_rest`` is called when an attribute outside ``CORE`` is asked for."""
    record = _decode_core(core)
    values: dict[int, Value] = record.texts  # type: ignore[assignment]
    if record.sequences:
        _restore(record.sequences, values)
    rest = _LazyRest(load_rest)
    location = record.location
    identity = Identity(record.patient, record.study, record.series, record.instance)
    core_of_level = core_tags()[identity.level]
    return Entity(
        identity,
        Header(
            LazyAttributes(values, core_of_level, rest.values),
            LazyAttributes(record.vrs, core_of_level, rest.vrs),
        ),
        None if location is None else Location(*location),
        record.tally,
        record.order,
    )


class _LazyRest:
    """The second part, decoded once for values and once for VRs: hardly anything asks for both."""

    __slots__ = ("_load",)

    def __init__(self, load: Callable[[], bytes]) -> None:
        self._load = load

    def values(self) -> dict[int, Value]:
        record = _decode_rest(self._load())
        values: dict[int, Value] = record.texts  # type: ignore[assignment]
        _restore(record.sequences, values)
        return values

    def vrs(self) -> dict[int, str]:
        return _decode_rest(self._load()).vrs


def _put(value: Value, tag: int, texts: Texts, sequences: Sequences) -> None:
    if isinstance(value, str):
        texts[tag] = value
    else:
        sequences[tag] = [_item(item) for item in value]


def _item(header: Header) -> list[Any]:
    texts: Texts = {}
    sequences: Sequences = {}
    for tag, value in header.values.items():
        _put(value, tag, texts, sequences)
    return [texts, sequences, header.vrs]


def _restore(sequences: Sequences, values: dict[int, Value]) -> None:
    for tag, items in sequences.items():
        values[tag] = tuple(_restored_item(item) for item in items)


def _restored_item(item: list[Any]) -> Header:
    texts, sequences, vrs = item
    values: dict[int, Value] = texts
    if sequences:
        _restore(sequences, values)
        values = dict(sorted(values.items()))
    return Header(values, vrs)

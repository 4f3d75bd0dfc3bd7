"""The PDUs of the DICOM upper layer (PS3.8 section 9.3), without I/O.

``PDUStream`` turns received bytes into events; the ``encode_*`` functions make bytes to send. What stands
inside A-ASSOCIATE PDUs is the business of ``negotiation.py``.

Received bytes are written straight into the stream's buffer (``space``, then ``received``), and data of
P-DATA is handed out as views of that buffer, piece by piece as it arrives: nothing is copied or gathered,
so memory does not grow with PDUs or data sets. A view is good until the next call of ``space``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

BUFFER_BYTES = 256 * 1024
MAX_ASSOCIATE_BYTES = 1024 * 1024
"""The longest A-ASSOCIATE PDU that is read: 128 contexts of 60 transfer syntaxes need half of it."""
PDU_SLACK_BYTES = 64
"""A few peers count PDU or PDV headers differently; what they send beyond the limit fits in here."""

PDU_HEADER = struct.Struct(">BxI")
PDV_HEADER = struct.Struct(">IBB")
PDU_HEADER_BYTES = 6
PDV_HEADER_BYTES = 6
_MIN_PDV_LENGTH = 2

_COMMAND = 0x01
_LAST = 0x02


class PDUType(IntEnum):
    """The first byte of a PDU."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who aborts (PS3.8 table 9-26)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER = 6


@dataclass(frozen=True, slots=True)
class AssociateRQ:
    """A whole A-ASSOCIATE-RQ PDU, header included."""

    pdu: bytes


@dataclass(frozen=True, slots=True)
class AssociateAC:
    """A whole A-ASSOCIATE-AC PDU, header included."""

    pdu: bytes


@dataclass(frozen=True, slots=True)
class AssociateRJ:
    """An A-ASSOCIATE-RJ PDU (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class PData:
    """A piece of a presentation data value; ``is_last`` ends the command or the data set it belongs to.

    A PDV may come in several pieces: only the last piece of a PDV marked as last is ``is_last``.
    """

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


@dataclass(frozen=True, slots=True)
class ReleaseRQ:
    """An A-RELEASE-RQ PDU."""


@dataclass(frozen=True, slots=True)
class ReleaseRP:
    """An A-RELEASE-RP PDU."""


@dataclass(frozen=True, slots=True)
class Abort:
    """An A-ABORT PDU."""

    source: int
    reason: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """Bytes that are no PDU: answer with A-P-ABORT and close. No other event follows."""

    reason: AbortReason
    detail: str


Event: TypeAlias = AssociateRQ | AssociateAC | AssociateRJ | PData | ReleaseRQ | ReleaseRP | Abort | Invalid

_FIXED_LENGTH = 4
_KNOWN = frozenset(PDUType)
_ASSOCIATE = (PDUType.ASSOCIATE_RQ, PDUType.ASSOCIATE_AC)


class PDUStream:
    """An incremental parser. ``max_pdu`` is the limit announced to the peer in bytes; 0 means none."""

    __slots__ = (
        "_body",
        "_body_left",
        "_buffer",
        "_capacity",
        "_context_id",
        "_control",
        "_end",
        "_invalid",
        "_limit",
        "_pdu_left",
        "_pdv_left",
        "_start",
        "_view",
    )

    def __init__(self, max_pdu: int, capacity: int = BUFFER_BYTES) -> None:
        self._limit = max_pdu + PDU_SLACK_BYTES if max_pdu else 0xFFFFFFFF
        self._capacity = capacity
        self._buffer = bytearray(capacity)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._pdu_left = 0  # bytes of the current P-DATA PDU not yet seen
        self._pdv_left = 0  # data bytes of the current PDV not yet handed out
        self._context_id = 0
        self._control = 0
        self._body = bytearray()  # the PDU being gathered that is not P-DATA
        self._body_left = 0
        self._invalid: Invalid | None = None

    def space(self) -> memoryview:
        """Where to receive the next bytes. Views handed out before are no longer good.

        Empty only where events were not taken out and the buffer is full.
        """
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start and self._end == self._capacity:
            rest = self._end - self._start
            self._buffer[:rest] = self._buffer[self._start : self._end]
            self._start, self._end = 0, rest
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """Tell that ``count`` bytes were received into ``space``."""
        self._end += count

    def next_event(self) -> Event | None:
        """The next event; None when more bytes are needed."""
        if self._pdv_left:
            return self._data_piece() if self._start < self._end else None
        while self._invalid is None:
            if self._body_left:
                if not self._gather_body():
                    return None
                return self._body_event()
            if self._end - self._start < PDU_HEADER_BYTES:
                return None
            if self._pdu_left:
                event = self._open_pdv()
                if event is not None or self._pdv_left:
                    return event
                continue
            self._open_pdu()
        return self._invalid

    def _fail(self, reason: AbortReason, detail: str) -> Invalid:
        self._invalid = Invalid(reason, detail)
        return self._invalid

    def _data_piece(self) -> PData:
        start = self._start
        count = min(self._end - start, self._pdv_left)
        self._start = start + count
        self._pdv_left -= count
        control = self._control
        return PData(
            self._context_id,
            bool(control & _COMMAND),
            bool(control & _LAST) and not self._pdv_left,
            self._view[start : start + count],
        )

    def _open_pdv(self) -> Event | None:
        length, self._context_id, self._control = PDV_HEADER.unpack_from(self._buffer, self._start)
        if length < _MIN_PDV_LENGTH or length + 4 > self._pdu_left:
            return self._fail(
                AbortReason.INVALID_PDU_PARAMETER,
                f"a presentation data value of {length} bytes does not fit its PDU",
            )
        self._start += PDV_HEADER_BYTES
        self._pdu_left -= length + 4
        self._pdv_left = length - _MIN_PDV_LENGTH
        if 0 < self._pdu_left < PDV_HEADER_BYTES:
            return self._fail(AbortReason.INVALID_PDU_PARAMETER, "a P-DATA PDU ends inside a PDV header")
        if self._pdv_left:
            return self._data_piece() if self._start < self._end else None
        # An empty value means something only where it ends a command or a data set.
        return self._data_piece() if self._control & _LAST else None

    def _open_pdu(self) -> None:
        kind, length = PDU_HEADER.unpack_from(self._buffer, self._start)
        if kind not in _KNOWN:
            self._fail(AbortReason.UNRECOGNIZED_PDU, f"no PDU has type {kind}")
        elif kind == PDUType.P_DATA:
            if not PDV_HEADER_BYTES <= length <= self._limit:
                self._fail(AbortReason.INVALID_PDU_PARAMETER, f"a P-DATA PDU of {length} bytes")
            self._start += PDU_HEADER_BYTES
            self._pdu_left = length
        elif (kind in _ASSOCIATE and length > MAX_ASSOCIATE_BYTES) or (
            kind not in _ASSOCIATE and length != _FIXED_LENGTH
        ):
            self._fail(AbortReason.INVALID_PDU_PARAMETER, f"a PDU of type {kind} of {length} bytes")
        else:
            self._body_left = PDU_HEADER_BYTES + length

    def _gather_body(self) -> bool:
        count = min(self._end - self._start, self._body_left)
        self._body += self._view[self._start : self._start + count]
        self._start += count
        self._body_left -= count
        return not self._body_left

    def _body_event(self) -> Event:
        pdu = bytes(self._body)
        self._body = bytearray()
        kind = pdu[0]
        if kind == PDUType.ASSOCIATE_RQ:
            return AssociateRQ(pdu)
        if kind == PDUType.ASSOCIATE_AC:
            return AssociateAC(pdu)
        if kind == PDUType.ASSOCIATE_RJ:
            return AssociateRJ(pdu[7], pdu[8], pdu[9])
        if kind == PDUType.RELEASE_RQ:
            return ReleaseRQ()
        if kind == PDUType.RELEASE_RP:
            return ReleaseRP()
        return Abort(pdu[8], pdu[9])


RELEASE_RQ = PDU_HEADER.pack(PDUType.RELEASE_RQ, 4) + bytes(4)
RELEASE_RP = PDU_HEADER.pack(PDUType.RELEASE_RP, 4) + bytes(4)


def encode_abort(source: AbortSource, reason: AbortReason = AbortReason.NOT_SPECIFIED) -> bytes:
    """An A-ABORT PDU."""
    return PDU_HEADER.pack(PDUType.ABORT, 4) + bytes((0, 0, source, reason))


def encode_reject(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 table 9-21)."""
    return PDU_HEADER.pack(PDUType.ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def fragment_header(context_id: int, length: int, *, is_command: bool, is_last: bool) -> bytes:
    """The 12 bytes of PDU and PDV header before ``length`` bytes of data in a P-DATA PDU of their own."""
    control = (_COMMAND if is_command else 0) | (_LAST if is_last else 0)
    return PDU_HEADER.pack(PDUType.P_DATA, length + PDV_HEADER_BYTES) + PDV_HEADER.pack(
        length + _MIN_PDV_LENGTH, context_id, control
    )


def encode_p_data(
    context_id: int, data: bytes | bytearray | memoryview, max_pdu: int, *, is_command: bool
) -> list[bytes | memoryview]:
    """``data`` as P-DATA PDUs of at most ``max_pdu`` bytes each: headers and views, to be sent as they are.

    The limit is the peer's, of the PDU's variable field (PS3.8 section D.1); 0 means none.
    """
    step = max_pdu - PDV_HEADER_BYTES if max_pdu else max(len(data), 1)
    if len(data) <= step:
        return [fragment_header(context_id, len(data), is_command=is_command, is_last=True), memoryview(data)]
    parts: list[bytes | memoryview] = []
    view = memoryview(data)
    for start in range(0, len(view), step):
        piece = view[start : start + step]
        is_last = start + step >= len(view)
        parts += (fragment_header(context_id, len(piece), is_command=is_command, is_last=is_last), piece)
    return parts

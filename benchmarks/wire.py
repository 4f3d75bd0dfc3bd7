"""A small DIMSE requestor over a plain socket: cheap, and as rude as a test needs it to be.

It shares no code with the appliance, so that a mistake on one side cannot hide on the other. Command sets are
Implicit VR Little Endian (PS3.7 section 6.3.1), PDUs as PS3.8 section 9.3 has them.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO, C_CANCEL = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030, 0x0FFF
RESPONSE = 0x8000
NO_DATA_SET = 0x0101
PENDING = (0xFF00, 0xFF01)

_TAGS = {
    "AffectedSOPClassUID": 0x0002,
    "CommandField": 0x0100,
    "MessageID": 0x0110,
    "MessageIDBeingRespondedTo": 0x0120,
    "MoveDestination": 0x0600,
    "Priority": 0x0700,
    "CommandDataSetType": 0x0800,
    "Status": 0x0900,
    "OffendingElement": 0x0901,
    "ErrorComment": 0x0902,
    "AffectedSOPInstanceUID": 0x1000,
    "NumberOfRemainingSuboperations": 0x1020,
    "NumberOfCompletedSuboperations": 0x1021,
    "NumberOfFailedSuboperations": 0x1022,
    "NumberOfWarningSuboperations": 0x1023,
}
_KEYWORDS = {tag: keyword for keyword, tag in _TAGS.items()}
_TEXT = {0x0002, 0x0600, 0x0902, 0x1000}

Command = dict[str, str | int]


class Rejected(Exception):
    """A-ASSOCIATE-RJ: result, source and reason as PS3.8 section 9.3.4 numbers them."""

    def __init__(self, result: int, source: int, reason: int) -> None:
        super().__init__(f"association rejected: result {result}, source {source}, reason {reason}")
        self.result, self.source, self.reason = result, source, reason


class Broken(Exception):
    """The peer aborted or closed the connection."""


def encode_identifier(values: Mapping[int, str | bytes]) -> bytes:
    """Elements by tag as an Implicit VR Little Endian data set; text is encoded as UTF-8, and padded."""
    out = bytearray()
    for tag, value in sorted(values.items()):
        raw = value.encode() if isinstance(value, str) else value
        if len(raw) % 2:
            raw += b"\0" if raw[:1].isdigit() and b"." in raw else b" "
        out += struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(raw)) + raw
    return bytes(out)


def decode_identifier(data: bytes) -> dict[int, bytes]:
    """The elements of an Implicit VR Little Endian data set by tag, padding removed.

    Ends before the first sequence of undefined length.
    """
    values = {}
    at = 0
    while at + 8 <= len(data):
        group, element, length = struct.unpack_from("<HHI", data, at)
        if length == 0xFFFFFFFF:
            break
        values[group << 16 | element] = data[at + 8 : at + 8 + length].rstrip(b"\0 ")
        at += 8 + length
    return values


def encode_command(command: Command) -> bytes:
    """The command set, with its group length."""
    body = bytearray()
    for keyword, value in sorted(command.items(), key=lambda item: _TAGS[item[0]]):
        if isinstance(value, str):
            raw = value.encode()
            raw += (b"\0" if keyword.endswith("UID") else b" ") * (len(raw) % 2)
        else:
            raw = struct.pack("<H", value)
        body += struct.pack("<HHI", 0, _TAGS[keyword], len(raw)) + raw
    return struct.pack("<HHII", 0, 0, 4, len(body)) + bytes(body)


def decode_command(data: bytes) -> Command:
    """The elements of a command set that this module knows, by keyword."""
    command: Command = {}
    at = 0
    while at < len(data):
        _, element, length = struct.unpack_from("<HHI", data, at)
        raw = data[at + 8 : at + 8 + length]
        at += 8 + length
        keyword = _KEYWORDS.get(element)
        if keyword is None:
            continue
        command[keyword] = raw.decode().strip("\0 ") if element in _TEXT else int.from_bytes(raw, "little")
    return command


@dataclass(slots=True)
class Association:
    """An association as requestor; ``contexts`` pairs abstract syntax and the transfer syntaxes proposed."""

    host: str
    port: int
    contexts: Sequence[tuple[str, Sequence[str]]]
    calling_ae_title: str = "RAWSCU"
    called_ae_title: str = "PACS"
    max_pdu: int = 131072
    timeout: float = 60.0
    roles: Sequence[str] = ()
    accepted: dict[int, str] = field(default_factory=dict)
    """Transfer syntax by ID of the accepted presentation contexts."""
    _socket: socket.socket = field(init=False)
    _buffer: bytearray = field(default_factory=bytearray)
    _peer_max_pdu: int = 16384
    _message_id: int = 0

    def __enter__(self) -> Self:
        return self.open()

    def open(self) -> Self:
        """Connect and negotiate. Raises Rejected, Broken, OSError."""
        self._socket = socket.create_connection((self.host, self.port), self.timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(self._request())
            self._accept(*self._read_pdu())
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.release()
        finally:
            self._socket.close()

    @property
    def socket(self) -> socket.socket:
        """The bare connection, to write what no client would."""
        return self._socket

    def context_of(self, abstract_syntax: str, transfer_syntax: str = "") -> int:
        """The ID of an accepted context. Raises KeyError where there is none."""
        for number, (abstract, _) in enumerate(self.contexts):
            context_id = 2 * number + 1
            syntax = self.accepted.get(context_id)
            if abstract == abstract_syntax and syntax is not None and transfer_syntax in ("", syntax):
                return context_id
        raise KeyError(f"no accepted presentation context for {abstract_syntax} {transfer_syntax}".strip())

    def release(self) -> None:
        """A-RELEASE; whatever still comes before the answer is thrown away."""
        self._socket.sendall(struct.pack(">BxI4x", 5, 4))
        while self._read_pdu()[0] != 6:
            pass

    def close(self) -> None:
        """Close the connection without a word."""
        self._socket.close()

    def abort(self) -> None:
        """A-ABORT, and close."""
        self._socket.sendall(struct.pack(">BxI4x", 7, 4))
        self._socket.close()

    def kill(self) -> None:
        """Close at once with RST, as a crashed client does."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def next_message_id(self) -> int:
        """A message ID not used before on this association."""
        self._message_id = self._message_id % 65535 + 1
        return self._message_id

    def echo(self) -> int:
        """C-ECHO; its status."""
        context_id = self.context_of(VERIFICATION)
        self.send_command(
            context_id,
            {
                "AffectedSOPClassUID": VERIFICATION,
                "CommandField": C_ECHO,
                "MessageID": self.next_message_id(),
                "CommandDataSetType": NO_DATA_SET,
            },
        )
        return int(self.receive()[0]["Status"])

    def store(
        self,
        sop_class_uid: str,
        sop_instance_uid: str,
        transfer_syntax_uid: str,
        data: bytes | Iterable[bytes],
    ) -> Command:
        """C-STORE; ``data`` is the data set, whole or in pieces. The response's command set."""
        context_id = self.context_of(sop_class_uid, transfer_syntax_uid)
        self.send_command(context_id, self.store_command(sop_class_uid, sop_instance_uid))
        self.send_data_set(context_id, data)
        return self.receive()[0]

    def store_command(self, sop_class_uid: str, sop_instance_uid: str) -> Command:
        """The command set of a C-STORE-RQ."""
        return {
            "AffectedSOPClassUID": sop_class_uid,
            "CommandField": C_STORE,
            "MessageID": self.next_message_id(),
            "Priority": 0,
            "CommandDataSetType": 1,
            "AffectedSOPInstanceUID": sop_instance_uid,
        }

    def query(
        self, sop_class_uid: str, identifier: bytes, *, field: int = C_FIND, destination: str = ""
    ) -> Iterator[tuple[Command, bytes]]:
        """C-FIND, C-MOVE or C-GET: every response with its identifier, the final one last.

        Nothing is sent before the first response is asked for. C-STORE requests that arrive
        (C-GET) come as any other message; answer them with ``answer_store``.
        """
        command: Command = {
            "AffectedSOPClassUID": sop_class_uid,
            "CommandField": field,
            "MessageID": self.next_message_id(),
            "Priority": 0,
            "CommandDataSetType": 1,
        }
        if destination:
            command["MoveDestination"] = destination
        context_id = self.context_of(sop_class_uid)
        self.send_command(context_id, command)
        self.send_data_set(context_id, identifier)
        while True:
            response, data = self.receive()
            yield response, data
            if int(response["CommandField"]) & RESPONSE and int(response["Status"]) not in PENDING:
                return

    def cancel(self, message_id: int | None = None) -> None:
        """C-CANCEL of the newest message, or of ``message_id``."""
        self.send_command(
            min(self.accepted),
            {
                "CommandField": C_CANCEL,
                "MessageIDBeingRespondedTo": message_id or self._message_id,
                "CommandDataSetType": NO_DATA_SET,
            },
        )

    def send_command(self, context_id: int, command: Command) -> None:
        """One P-DATA-TF with the whole command set."""
        data = encode_command(command)
        self._socket.sendall(struct.pack(">BxIIBB", 4, len(data) + 6, len(data) + 2, context_id, 3) + data)

    def send_data_set(self, context_id: int, data: bytes | Iterable[bytes]) -> None:
        """The data set in P-DATA-TF PDUs as large as the peer takes; pieces are sent as they come."""
        size = min(self._peer_max_pdu, self.max_pdu) - 6
        pieces = iter([data] if isinstance(data, bytes) else data)
        waiting = next(pieces, b"")
        while True:
            following = next(pieces, None)
            view = memoryview(waiting)
            for at in range(0, max(len(view), 1), size):
                part = view[at : at + size]
                last = following is None and at + size >= len(view)
                header = struct.pack(">BxIIBB", 4, len(part) + 6, len(part) + 2, context_id, 2 * last)
                self._socket.sendmsg([header, part]) if len(part) < 4096 else self._send_large(header, part)
            if following is None:
                return
            waiting = following

    def receive(self) -> tuple[Command, bytes]:
        """The next message: command set and data set. Raises Broken."""
        command = self._receive_part()
        decoded = decode_command(command)
        if decoded.get("CommandDataSetType", NO_DATA_SET) == NO_DATA_SET:
            return decoded, b""
        return decoded, self._receive_part()

    def _send_large(self, header: bytes, part: memoryview) -> None:
        self._socket.sendall(header)
        self._socket.sendall(part)

    def _receive_part(self) -> bytes:
        parts = []
        while True:
            kind, body = self._read_pdu()
            if kind != 4:
                raise Broken(f"the peer sent a PDU of type {kind} in place of a message")
            at = 0
            last = False
            while at < len(body):
                (length,) = struct.unpack_from(">I", body, at)
                parts.append(body[at + 6 : at + 4 + length])
                last = bool(body[at + 5] & 2)
                at += 4 + length
            if last:
                return b"".join(parts)

    def _read_pdu(self) -> tuple[int, bytes]:
        while len(self._buffer) < 6 or len(self._buffer) < 6 + int.from_bytes(self._buffer[2:6], "big"):
            data = self._socket.recv(1 << 18)
            if not data:
                raise Broken("the peer closed the connection")
            self._buffer += data
        end = 6 + int.from_bytes(self._buffer[2:6], "big")
        kind, body = self._buffer[0], bytes(self._buffer[6:end])
        del self._buffer[:end]
        if kind == 7:
            raise Broken(f"the peer aborted: source {body[2]}, reason {body[3]}")
        return kind, body

    def _request(self) -> bytes:
        items = _item(0x10, b"1.2.840.10008.3.1.1.1")
        for number, (abstract, transfer_syntaxes) in enumerate(self.contexts):
            syntaxes = b"".join(_item(0x40, uid.encode()) for uid in transfer_syntaxes)
            items += _item(0x20, bytes([2 * number + 1, 0, 0, 0]) + _item(0x30, abstract.encode()) + syntaxes)
        user = _item(0x51, struct.pack(">I", self.max_pdu)) + _item(0x52, b"1.2.826.0.1.3680043.9.9999.1")
        for abstract in self.roles:
            user += _item(0x54, struct.pack(">H", len(abstract)) + abstract.encode() + b"\1\1")
        items += _item(0x50, user)
        body = struct.pack(
            ">HH16s16s32x",
            1,
            0,
            self.called_ae_title.encode().ljust(16),
            self.calling_ae_title.encode().ljust(16),
        )
        return struct.pack(">BxI", 1, len(body) + len(items)) + body + items

    def _accept(self, kind: int, body: bytes) -> None:
        if kind == 3:
            raise Rejected(body[1], body[2], body[3])
        if kind != 2:
            raise Broken(f"the peer answered the association request with a PDU of type {kind}")
        for item, content in _items(body[68:]):
            if item == 0x21 and content[2] == 0:
                syntax = next(value for sub, value in _items(content[4:]) if sub == 0x40)
                self.accepted[content[0]] = syntax.decode().rstrip("\0")
            elif item == 0x50:
                for sub, value in _items(content):
                    if sub == 0x51:
                        self._peer_max_pdu = int.from_bytes(value, "big") or self.max_pdu


def answer_store(association: Association, request: Command, status: int = 0) -> None:
    """Answer a C-STORE request that came inside a C-GET."""
    sop_class_uid = str(request["AffectedSOPClassUID"])
    association.send_command(
        association.context_of(sop_class_uid),
        {
            "AffectedSOPClassUID": sop_class_uid,
            "CommandField": C_STORE | RESPONSE,
            "MessageIDBeingRespondedTo": int(request["MessageID"]),
            "CommandDataSetType": NO_DATA_SET,
            "Status": status,
            "AffectedSOPInstanceUID": request["AffectedSOPInstanceUID"],
        },
    )


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(content)) + content


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        kind, length = struct.unpack_from(">BxH", data, at)
        yield kind, data[at + 4 : at + 4 + length]
        at += 4 + length

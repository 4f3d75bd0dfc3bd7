"""Logs: one line an operation, for people on a terminal and JSON otherwise.

Lines go to standard error, so that what a command prints stays clean. They hold times, AE titles,
addresses, UIDs, counts and statuses, never a patient attribute. ``OperationLog`` is the Observer that
writes them.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TextIO

import msgspec

from pacs.archive.observer import AssociationChange, Caller, Operation
from pacs.dicom.uid import check_uid
from pacs.errors import InvalidUID

logger = logging.getLogger("pacs")

EXPECTED = frozenset({0x0000, 0xFE00})
"""Statuses that need nobody's attention: success, and cancelled as the peer asked."""

_encode = msgspec.json.Encoder().encode

_FIELDS = "fields"  # the LogRecord attribute that carries the named values of an operation


def configure(log_format: str, log_level: str, stream: TextIO) -> None:
    """Send the ``pacs`` loggers' lines to ``stream``: ``log_format`` is auto, text or json."""
    people = log_format == "text" or (log_format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if people else JSONFormatter())
    # What our libraries have to say at INFO is noise to an operator; their warnings are not.
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(log_level.upper())
    # No line names its thread, process or place in the source: not looking them up saves a third of its cost
    # (the switches are those of the logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


@lru_cache(maxsize=2)
def _local_clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


@lru_cache(maxsize=2)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


class TextFormatter(logging.Formatter):
    """``10:04:11 INFO  C-STORE 0000 success ...`` for people: local time to the second."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback, where there is one, on the lines after it."""
        clock = _local_clock(int(record.created))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"{clock} {level}{_one_line(record.getMessage())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JSONFormatter(logging.Formatter):
    """A JSON object a line: ``time`` (UTC, ISO 8601), ``level``, ``message``, and an operation's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The object on one line, tracebacks included."""
        content: dict[str, Any] = {
            "time": f"{_utc(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        content.update(getattr(record, _FIELDS, {}))
        if record.exc_info:
            content["traceback"] = self.formatException(record.exc_info)
        try:
            return _encode(content).decode()
        except UnicodeEncodeError:
            # A file name that is no UTF-8; the stream says how it shows such characters.
            return json.dumps(content, ensure_ascii=False)


class OperationLog:
    """The Observer that logs: an operation one line at INFO (WARNING if it failed), associations at DEBUG.

    A rejected or aborted association is a WARNING when the peer got as far as to name itself; a
    connection that never did (a load balancer's probe) leaves nothing at INFO.
    """

    def operation(self, operation: Operation) -> None:
        """Log one finished operation."""
        level = logging.INFO if operation.status in EXPECTED else logging.WARNING
        if not logger.isEnabledFor(level):
            return
        caller = operation.caller
        fields: dict[str, str | int | float] = {
            "operation": operation.name,
            "status": f"{operation.status:04X}",
            "peer": caller.calling_ae_title,
            "address": caller.address,
            "ms": round(operation.seconds * 1000, 1),
        }
        if caller.name:
            fields["certificate"] = caller.name
        if operation.size:
            fields["bytes"] = operation.size
        if operation.count:
            fields["count"] = operation.count
        if operation.failed:
            fields["failed"] = operation.failed
        if operation.uid:
            fields["uid"] = _uid(operation.uid)
        message = f"{operation.name} {fields['status']} {_sentence(fields)}"
        if operation.detail:
            message = f"{message} - {operation.detail}"
        logger.log(level, "%s", message, extra={_FIELDS: fields})

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """Log what befell an association."""
        unusual = change in (AssociationChange.REJECTED, AssociationChange.ABORTED)
        level = logging.WARNING if unusual and caller.calling_ae_title else logging.DEBUG
        if not logger.isEnabledFor(level):
            return
        fields = {"association": change.value, "peer": caller.calling_ae_title, "address": caller.address}
        words = f"association {change.value} {caller.calling_ae_title or 'unnamed'} {caller.address}"
        logger.log(level, "%s", f"{words} - {detail}" if detail else words, extra={_FIELDS: fields})


def _uid(text: str) -> str:
    """``text`` where it is a UID. Whatever else a peer sends in its place may be a patient's name."""
    try:
        return check_uid(text)
    except InvalidUID:
        return "(no UID)"


def _sentence(fields: Mapping[str, str | int | float]) -> str:
    """The fields after name and status for people: ``STORESCU 10.0.0.7:40122 512.3 KiB 2.1 ms 1.2.3``."""
    parts = [str(fields["peer"]), str(fields["address"])]
    if "certificate" in fields:
        parts.append(str(fields["certificate"]))
    if "bytes" in fields:
        parts.append(_size(int(fields["bytes"])))
    if "count" in fields:
        parts.append(f"{fields['count']} done")
    if "failed" in fields:
        parts.append(f"{fields['failed']} failed")
    parts.append(f"{fields['ms']} ms")
    if "uid" in fields:
        parts.append(str(fields["uid"]))
    return " ".join(part for part in parts if part)


def _size(count: int) -> str:
    """Bytes for people: ``812 B``, ``512.3 KiB``, ``2.0 GiB``."""
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        value /= 1024
        if value < 1024:
            return f"{value:.1f} {unit}"
    return f"{value / 1024:.1f} PiB"


def _one_line(text: str) -> str:
    """Control characters made visible: a peer chooses its AE title, and must not be able to forge lines."""
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from pacs import logs
from pacs.archive.observer import AssociationChange, Caller, Operation

CALLER = Caller("STORESCU", "PACS", "192.0.2.7:40122")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("pacs")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before[0], before[1], before[2]


def test_an_operation_is_one_line_for_people_on_a_terminal() -> None:
    stream = Terminal()
    logs.configure("auto", "info", stream)
    logs.OperationLog().operation(Operation("C-STORE", 0, CALLER, 0.0021, size=524288, uid="1.2.3"))
    (line,) = stream.getvalue().splitlines()
    assert line[9:] == "C-STORE 0000 STORESCU 192.0.2.7:40122 512.0 KiB 2.1 ms 1.2.3"


def test_a_file_name_that_is_no_utf_8_is_logged() -> None:
    record = logging.LogRecord("pacs", logging.INFO, "", 0, "cannot read %s", ("a\udcff",), None)
    assert json.loads(logs.JSONFormatter().format(record))["message"] == "cannot read a\udcff"


def test_an_operation_is_one_json_object_otherwise() -> None:
    stream = io.StringIO()
    logs.configure("auto", "info", stream)
    operation = Operation("C-MOVE", 0xB000, CALLER, 1.0, count=8, failed=2, uid="1.2.3", detail="two failed")
    logs.OperationLog().operation(operation)
    (line,) = stream.getvalue().splitlines()
    content = json.loads(line)
    assert content["level"] == "warning"
    assert content["time"].endswith("Z")
    assert {
        name: content[name] for name in ("operation", "status", "peer", "ms", "count", "failed", "uid")
    } == {
        "operation": "C-MOVE",
        "status": "B000",
        "peer": "STORESCU",
        "ms": 1000.0,
        "count": 8,
        "failed": 2,
        "uid": "1.2.3",
    }


@pytest.mark.parametrize(
    ("status", "level"), [(0, "info"), (0xFE00, "info"), (0x0122, "warning"), (0xA700, "warning")]
)
def test_what_failed_is_a_warning(status: int, level: str) -> None:
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logs.OperationLog().operation(Operation("C-FIND", status, CALLER, 0.001))
    assert json.loads(stream.getvalue())["level"] == level


def test_a_probe_that_never_names_itself_leaves_nothing_at_info() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    log = logs.OperationLog()
    for change in AssociationChange:
        log.association(change, Caller(address="192.0.2.7:40122"), "closed before a request")
    assert stream.getvalue() == ""


def test_a_rejected_association_is_a_warning_with_its_reason() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    logs.OperationLog().association(AssociationChange.REJECTED, CALLER, "too many associations")
    assert "warning: association rejected STORESCU 192.0.2.7:40122 - too many" in stream.getvalue()


def test_a_peer_cannot_forge_a_line() -> None:
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    logs.OperationLog().operation(Operation("C-ECHO", 0, Caller("A\n12:00:00 C-STORE\x1b[2J"), 0.001))
    (line,) = stream.getvalue().splitlines()
    assert "\\x0a" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_is_no_uid_is_not_logged_as_one(log_format: str) -> None:
    stream = io.StringIO()
    logs.configure(log_format, "info", stream)
    logs.OperationLog().operation(Operation("C-FIND", 0, CALLER, 0.001, uid="DOE^JANE"))
    assert "DOE" not in stream.getvalue()
    assert "(no UID)" in stream.getvalue()


def test_nothing_is_logged_below_the_level() -> None:
    stream = io.StringIO()
    logs.configure("text", "warning", stream)
    logs.OperationLog().operation(Operation("C-ECHO", 0, CALLER, 0.001))
    assert stream.getvalue() == ""

"""The clients that do the measuring: DCMTK's tools as processes, and a bare socket for queries."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.program import program
from benchmarks.server import MAX_PDU, SINK_AE_TITLE, Server, environment, free_port
from benchmarks.wire import IMPLICIT, STUDY_ROOT_FIND, Association, encode_identifier

QUERY_LEVEL = 0x00080052
STUDY_DATE = 0x00080020
PATIENT_NAME = 0x00100010
STUDY_INSTANCE_UID = 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
SOP_INSTANCE_UID = 0x00080018
NUMBER_OF_STUDY_RELATED_INSTANCES = 0x00201208

RETURN_KEYS = (0x00080020, 0x00080030, 0x00080050, 0x00081030, 0x00100010, 0x00100020, 0x0020000D)
"""What every measured C-FIND asks back: date, time, accession number, description, name, ID, UID."""


def store(server: Server, associations: Sequence[Sequence[Path]]) -> None:
    """One storescu process for each association, all at once; each sends the files of its folders.

    A refused object does not stop the sender (dcmqrscp refuses some when associations run side by side):
    whoever measures counts afterwards what is there. Raises RuntimeError when a sender could not send at all.
    """
    processes = [
        subprocess.Popen(
            [
                *(program("storescu"), "-ll", "fatal", "-nh", "-aec", server.ae_title, "-pdu", str(MAX_PDU)),
                *("-xe", "+sd", "127.0.0.1", str(server.port), *map(str, folders)),
            ],
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folders in associations
    ]
    errors = [process.communicate()[1].decode(errors="replace") for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"storescu to {server.product} failed: {''.join(errors)[-2000:]}")


def find_with_findscu(server: Server, matching: dict[int, str]) -> float:
    """Seconds that findscu takes for one STUDY level query, its own start and end among them."""
    keys = []
    for tag, value in {QUERY_LEVEL: "STUDY", **dict.fromkeys(RETURN_KEYS, ""), **matching}.items():
        keys += ["-k", f"{tag >> 16:04x},{tag & 0xFFFF:04x}={value}"]
    command = [program("findscu"), "-q", "-S", "-aec", server.ae_title, "-pdu", str(MAX_PDU), *keys]
    started = time.perf_counter()
    subprocess.run(
        [*command, "127.0.0.1", str(server.port)], env=environment(), check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


@contextmanager
def querying(server: Server) -> Iterator[Association]:
    """An association for C-FIND, Study Root."""
    with Association(
        "127.0.0.1",
        server.port,
        [(STUDY_ROOT_FIND, [IMPLICIT])],
        called_ae_title=server.ae_title,
        timeout=300,
    ) as assoc:
        yield assoc


def find(assoc: Association, level: str, matching: dict[int, str], keys: Sequence[int] = RETURN_KEYS) -> int:
    """Send one C-FIND and count its answers; the answers are received and not decoded."""
    identifier = encode_identifier({QUERY_LEVEL: level, **dict.fromkeys(keys, ""), **matching})
    statuses = [response["Status"] for response, _ in assoc.query(STUDY_ROOT_FIND, identifier)]
    if statuses[-1] != 0:
        raise RuntimeError(f"C-FIND ended with status {statuses[-1]:04X}")
    return len(statuses) - 1


def visible_instances(server: Server, studies: Sequence[tuple[str, Sequence[str]]]) -> int:
    """How many instances a query finds in ``studies``: Study Instance UIDs and the Series UIDs of each.

    One query where the server counts for us, else one for each series.
    """
    with querying(server) as assoc:
        if not server.counts:
            return sum(
                find(
                    assoc,
                    "IMAGE",
                    {STUDY_INSTANCE_UID: study, SERIES_INSTANCE_UID: series},
                    (SOP_INSTANCE_UID,),
                )
                for study, every_series in studies
                for series in every_series
            )
        identifier = encode_identifier(
            {QUERY_LEVEL: "STUDY", STUDY_INSTANCE_UID: "", NUMBER_OF_STUDY_RELATED_INSTANCES: ""}
        )
        total = 0
        for _, data in assoc.query(STUDY_ROOT_FIND, identifier):
            at = data.find(b"\x20\x00\x08\x12")
            if at >= 0:
                length = int.from_bytes(data[at + 4 : at + 8], "little")
                total += int(data[at + 8 : at + 8 + length].strip(b" \0") or b"0")
        return total


@contextmanager
def sink() -> Iterator[int]:
    """A storescp that throws away what it receives; the port it listens on."""
    port = free_port()
    options = ["-q", "--ignore", "-aet", SINK_AE_TITLE, "+xa", "-pdu", str(MAX_PDU)]
    process = subprocess.Popen([program("storescp"), *options, str(port)], env=environment())
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def move(server: Server, study_instance_uid: str) -> None:
    """C-MOVE of one study to the sink, with movescu. Raises CalledProcessError."""
    subprocess.run(
        [
            *(program("movescu"), "-q", "-S", "-aec", server.ae_title, "-aem", SINK_AE_TITLE),
            *("-pdu", str(MAX_PDU), "-k", "0008,0052=STUDY", "-k", f"0020,000d={study_instance_uid}"),
            *("127.0.0.1", str(server.port)),
        ],
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
    )

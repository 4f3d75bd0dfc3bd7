"""A DIMSE server in this process, over a real archive with an index in memory; and clients for it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE
from pynetdicom.association import Association as Requestor

from pacs.archive.find import Find
from pacs.archive.indexer import Indexer
from pacs.archive.observer import AssociationChange, Caller, Operation
from pacs.archive.retrieve import Retrieve
from pacs.archive.store import Store
from pacs.dimse.server import DimseConfig, DimseServer
from pacs.index.memory import MemoryIndex
from pacs.peers.peer import Peer
from pacs.peers.registry import PeerRegistry
from pacs.storage.filesystem import FilesystemStorage
from pacs.storage.journal import Journal
from pacs.storage.quarantine import Quarantine
from tests.samples import sample
from tests.tool import tool

CONFIG = DimseConfig(
    ae_title="PACS",
    bind="127.0.0.1",
    port=0,
    max_associations=10,
    max_pdu=128 * 1024,
    artim_seconds=5,
    network_seconds=5,
    dimse_seconds=5,
    idle_seconds=30,
    require_called_ae_title=False,
)
CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
VERIFICATION = "1.2.840.10008.1.1"


class Recorder:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.changes: list[tuple[AssociationChange, Caller, str]] = []
        self._changed = threading.Condition()

    def operation(self, operation: Operation) -> None:
        """Remember."""
        with self._changed:
            self.operations.append(operation)
            self._changed.notify_all()

    def association(self, change: AssociationChange, caller: Caller, detail: str = "") -> None:
        """Remember."""
        with self._changed:
            self.changes.append((change, caller, detail))
            self._changed.notify_all()

    def wait_for(self, change: AssociationChange, seconds: float = 10) -> str:
        """Wait until a change of this kind was told; its detail."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(c[0] is change for c in self.changes), seconds), change
            return next(c[2] for c in self.changes if c[0] is change)

    def wait_for_operation(self, name: str, seconds: float = 10) -> Operation:
        """Wait until an operation of this name was told; the last one."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(o.name == name for o in self.operations), seconds), name
            return [o for o in self.operations if o.name == name][-1]


@dataclass
class Serving:
    """A running server and what stands behind it."""

    server: DimseServer
    recorder: Recorder
    folder: Path
    peers: PeerRegistry
    index: MemoryIndex
    indexer: Indexer
    store: Store
    received: list[Dataset] = field(default_factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.address[1]

    def dcmtk(self, program: str, *arguments: str, expect: int = 0) -> str:
        """Run one of DCMTK's clients against the server; its output."""
        host, port = self.server.address
        aec = ["-aec", "PACS"]
        result = subprocess.run(
            [tool(program), *aec, host, str(port), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout + result.stderr

    def connect(self) -> socket.socket:
        """A plain TCP connection."""
        return socket.create_connection(self.server.address, timeout=10)

    def stored(self) -> list[Path]:
        """Published objects."""
        return sorted((self.folder / "archive").rglob("*.dcm"))

    def unfinished(self) -> list[Path]:
        """Drafts."""
        incoming = self.folder / "archive" / ".incoming"
        return [path for path in incoming.rglob("*") if path.is_file() and path.suffix != ".lock"]

    def wait_idle(self, seconds: float = 10) -> None:
        """Wait until no association is left."""
        eventually(lambda: self.server.active == 0, seconds)


def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until ``holds``."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextlib.contextmanager
def serving(folder: Path, config: DimseConfig = CONFIG, **changes: object) -> Iterator[Serving]:
    """A running server over an archive in ``folder``."""
    index = MemoryIndex()
    journal = Journal(folder / "journal")
    storage = FilesystemStorage(folder / "archive", 0)
    quarantine = Quarantine(folder / "quarantine", 0)
    indexer = Indexer(index, journal, storage, quarantine)
    indexer.start()
    peers = PeerRegistry(folder / "peers.json")
    recorder = Recorder()
    store = Store(storage, journal, quarantine, index, indexer)
    server = DimseServer(
        replace(config, **changes),  # type: ignore[arg-type]
        store=store,
        find=Find(index, indexer.settle, "PACS"),
        retrieve=Retrieve(storage),
        peers=peers,
        observer=recorder,
    )
    server.start()
    try:
        yield Serving(server, recorder, folder, peers, index, indexer, store)
    finally:
        server.shutdown(2)
        indexer.close()


def requestor(pacs: Serving, *contexts: tuple[str, Sequence[str]], **options: object) -> Requestor:
    """An association that pynetdicom requested; assert ``is_established``."""
    ae = AE("TESTER")
    for abstract_syntax, transfer_syntaxes in contexts:
        ae.add_requested_context(abstract_syntax, list(transfer_syntaxes))
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    return ae.associate(*pacs.server.address, ae_title="PACS", **options)  # type: ignore[arg-type]


def slice_of(
    study: str = "", series: str = "", *, name: str = "Doe^Jane", sop_class: str = CT, padding: int = 0
) -> Dataset:
    """A CT slice with UIDs of its own; ``padding`` more bytes of pixel data."""
    ds = pydicom.dcmread(sample("CT_small.dcm"))
    ds.StudyInstanceUID = study or generate_uid()
    ds.SeriesInstanceUID = series or generate_uid()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    ds.PatientName = name
    if padding:
        ds.PixelData = ds.PixelData + bytes(padding)
    return ds


def encoded_data_set(ds: Dataset) -> bytes:
    """The data set alone, in Explicit VR Little Endian."""
    copy = Dataset(ds)
    copy.file_meta = FileMetaDataset()
    out = BytesIO()
    dcmwrite(out, copy, implicit_vr=False, little_endian=True)
    return out.getvalue()


def store(pacs: Serving, *data_sets: Dataset) -> None:
    """Store over one association, and expect success."""
    classes = dict.fromkeys(str(ds.SOPClassUID) for ds in data_sets)
    syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    assoc = requestor(pacs, *((sop_class, syntaxes) for sop_class in classes))
    assert assoc.is_established
    for ds in data_sets:
        assert assoc.send_c_store(ds).Status == 0
    assoc.release()


@contextlib.contextmanager
def destination(pacs: Serving, *options: str, folder: Path | None = None) -> Iterator[Path]:
    """DCMTK's storescp as the peer DEST; the folder that it writes to."""
    folder = folder or pacs.folder / "received"
    folder.mkdir(exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [tool("storescp"), "-od", str(folder), "-aet", "DEST", *options, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: _listens(port))
        pacs.peers.add(Peer("DEST", "127.0.0.1", port))
        yield folder
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True

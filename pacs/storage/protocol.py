"""The Storage protocol: objects written once, whole, durable; never changed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import BinaryIO, Protocol

from pacs.dicom.location import Location
from pacs.errors import OutOfResources


class Draft(Protocol):
    """An object being written. Nobody sees it before ``publish``."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append. Raises OutOfResources, after which the draft is gone."""

    def publish(self, uri: str) -> Location | None:
        """Make the object durable under ``uri``, a relative path.

        None where ``uri`` is taken already: the draft is then still there, to compare or to discard.
        Raises OutOfResources.
        """

    def sync(self) -> None:
        """Make what was written durable, ahead of ``publish``. Raises OutOfResources: the draft is gone."""

    def lend(self) -> bytes | bytearray | None:
        """The whole object, where it is small enough to be kept elsewhere, such as in a journal.

        Who takes it makes it durable: ``publish`` then makes the object visible, whole, but not durable by
        itself before ``Storage.settle``. None where it is too large; nothing must be written afterwards.
        """

    def reopen(self) -> BinaryIO:
        """What was written so far, to read from its beginning."""

    def discard(self) -> None:
        """Forget the draft; harmless after ``publish``."""


class Storage(Protocol):
    """Objects by ``uri``. All methods may be called from many threads."""

    def create(self, transfer_syntax_uid: str) -> Draft:
        """Begin an object. Raises OutOfResources where free space is under the reserve."""

    def open(self, uri: str) -> BinaryIO:
        """The object, seekable. Raises NotFound."""

    def publish_all(
        self, drafts: Sequence[tuple[Draft, str]], when_synced: Callable[[], None]
    ) -> list[Location | OutOfResources | None]:
        """``publish`` for many at once, which costs less; what failed is told in its place.

        ``when_synced`` is called when the drafts are durable and none is visible yet; what it raises is
        raised here, and nothing is published then.
        """

    def settle(self, uris: Collection[str]) -> None:
        """Make objects that were lent before they were published durable by themselves. Raises OSError.

        What is not there any more is passed over.
        """

    def restore(self, uri: str, content: bytes) -> bool:
        """After a crash, see that ``uri`` holds ``content``, durably; whether it had to be written.

        Raises OutOfResources.
        """

    def remove(self, uri: str) -> None:
        """Delete the object; harmless where it is gone."""

    def size(self, uri: str) -> int | None:
        """Bytes of the object; None where there is none. Raises NotFound for what is no ``uri``."""

    def walk(self) -> Iterator[str]:
        """The ``uri`` of every published object."""

    def free(self) -> int | None:
        """Bytes that may still be written, over the reserve; None where there is no limit."""

    def close(self) -> None:
        """Nothing can be created afterwards."""

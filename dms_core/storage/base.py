"""The one interface of the DMS: a storage. Everything else wraps one and is one.

``Storage`` has no FUSE and no HTTP in it. Leaves (``posix``, ``remote``) know
this file and nothing else of the house; wrappers (``Namespace``, ``Guarded``,
``Cached``) take storages and are storages. Writing one is subclassing
:class:`Storage` (or :class:`WritableStorage`), naming it under the entry point
``dms_core.storage`` and inheriting ``dms_core.storage.conformance``.

The contract:

* Paths are absolute in the storage's own tree, as in :mod:`dms_core.model`.
* ``read`` names the version: a storage that has other bytes now raises
  ``Stale`` rather than mix two versions.
* Only :mod:`dms_core.errors` come out. Every call ends by itself.
* Calls may run concurrently; cancelling one leaves the others alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pydantic import BaseModel

from ..errors import Stale
from ..model import Entry, Kind, Page, Space, StorageHealth

PAGE_ENTRIES = 1000
"""Entries of a page when the caller does not say."""


class Storage(ABC):
    """Where bytes are, to be read."""

    Options: ClassVar[type[BaseModel]]
    """Checks the configuration's ``options`` of this kind of storage."""

    writable: bool = False
    """Whether it is a :class:`WritableStorage` now."""

    immutable: bool = False
    """Whether entries never change once they are seen, so that caches need not ask."""

    @abstractmethod
    async def lookup(self, path: str) -> Entry:
        """The entry at ``path``; ``NotFound`` if there is none."""

    @abstractmethod
    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """A page of the folder at ``path``, in the byte order of names, with attributes."""

    @abstractmethod
    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """Bytes ``[offset, offset + length)`` of that version; shorter only at its end."""

    async def space(self, path: str) -> Space:
        """Room where ``path`` is."""
        return Space()

    def health(self) -> tuple[StorageHealth, ...]:
        """How it is, and how each of those it stands for is; nothing if it cannot tell.

        From memory, for operators: nothing is asked. Who knows its name and
        its volume puts them in.
        """
        return ()

    async def close(self) -> None:  # noqa: B027 - optional by contract
        """Release connections and files."""


class WritableStorage(Storage):
    """Where bytes are, to be read and written.

    A write is visible to other callers when it returns and durable when
    ``commit`` has returned.
    """

    writable = True

    @abstractmethod
    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """Make an empty file, or empty the one that is there (``Exists`` if exclusive)."""

    @abstractmethod
    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """Make a folder in an existing one."""

    @abstractmethod
    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """Put ``data`` at ``offset``, growing the file as needed; the entry after it."""

    @abstractmethod
    async def truncate(self, path: str, size: int) -> Entry:
        """Cut or grow (with zeros) to ``size`` bytes."""

    @abstractmethod
    async def commit(self, path: str) -> Entry:
        """Return when all that was written to ``path`` would survive a power cut."""

    @abstractmethod
    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """Move within this storage, atomically; ``Exists`` if it may not replace."""

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """Move the file ``path`` onto the file ``to`` if that still has ``version``.

        Storages that can do so in one step override this: here two callers
        that replace the same version at once may both be told it worked.

        Raises:
            Stale: ``to`` has another version; nothing was changed.
        """
        now = await self.lookup(to)
        if now.kind is not Kind.FILE or now.version != version:
            raise Stale(f"{to} changed since it was looked up; look it up again.")
        return await self.rename(path, to)

    @abstractmethod
    async def remove(self, path: str) -> None:
        """Remove a file, a link or an empty folder."""

    @abstractmethod
    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """Change what is given; None leaves as it is."""

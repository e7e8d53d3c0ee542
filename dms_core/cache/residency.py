"""What a person can see and decide: status, listing, prefetch, pin, evict.

Works on a :class:`Cached` and within its event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from .. import errors
from ..model import CacheState, Entry, Kind, Listed, Listing, Page, Status, Transfer
from .cached import Cached
from .events import Events
from .status import file_status, folder_status
from .transfers import Transfers

MOST_FILES = 100_000
"""A folder with more files than this is not prefetched or pinned as a whole."""


class Overlay(Protocol):
    """What is shown before the cached tree: files that were written here."""

    def peek(self, path: str) -> Entry | None:
        """What is at ``path`` as far as memory knows, at any age."""

    def unsent_status(self, path: str, kind: Kind) -> Status | None:
        """The status of what is, or holds what is, not at the service yet; None for others."""

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Cached.lookup`."""

    async def scan(self, path: str, *, cursor: str | None = None, limit: int = 1000) -> Page:
        """See :meth:`Cached.scan`."""


class Residency:
    """The states of a cached tree and the means to change them.

    Args:
        cached: the tree.
        overlay: what is shown before it.
    """

    def __init__(self, cached: Cached, overlay: Overlay | None = None) -> None:
        self._cached = cached
        self._overlay = overlay
        self.transfers = Transfers(cached)

    @property
    def events(self) -> Events:
        """What is told of changes."""
        return self._cached.events

    def known(self, path: str) -> Status | None:
        """The status of ``path`` if memory has it at any age; asks nobody."""
        entry = self._overlay.peek(path) if self._overlay else self._cached.names.peek(path)
        return self.of(entry) if entry is not None else None

    def of(self, entry: Entry) -> Status:
        """The status of ``entry`` as memory has it; asks nobody, any thread."""
        unsent = self._overlay.unsent_status(entry.path, entry.kind) if self._overlay else None
        if unsent is not None:
            return unsent
        if entry.kind is Kind.FOLDER:
            return self._of_folder(entry)
        if not self._cached.keeps(entry):
            return file_status(entry, 0)
        record = self._cached.store.record(self._cached.identity(entry))
        if record is None:
            return file_status(entry, 0)
        return file_status(entry, record.cached_bytes, pinned=record.pinned)

    async def status(self, path: str) -> Status:
        """The status of what is at ``path``."""
        return self.of(await (self._overlay or self._cached).lookup(path))

    async def list(self, path: str, *, cursor: str | None = None, limit: int = 1000) -> Listing:
        """A page of a folder with the status of each entry."""
        page = await (self._overlay or self._cached).scan(path, cursor=cursor, limit=limit)
        rows = tuple(Listed(entry=entry, status=self.of(entry)) for entry in page.entries)
        return Listing(path=path, rows=rows, cursor=page.cursor)

    async def prefetch(self, path: str) -> Transfer:
        """Begin to bring all bytes of a file, or of all files of a folder.

        Raises:
            Unsupported: the file is in a writable volume, which is not cached.
        """
        entry = await (self._overlay or self._cached).lookup(path)
        if entry.kind is Kind.FILE and entry.writable:
            raise errors.Unsupported(f"{path} is in a writable volume, which is not cached.")
        return self.transfers.start(entry, lambda: self.files(entry))

    async def pin(self, path: str) -> Status:
        """Keep what is and will be cached of ``path`` from being evicted, and bring the rest.

        For a folder this holds for the files that are in it now.
        """
        entry = await (self._overlay or self._cached).lookup(path)
        await self.prefetch(path)
        await self._set_pinned(entry, True)
        return self.of(entry)

    async def unpin(self, path: str) -> Status:
        """Let ``path`` be evicted again when room is needed."""
        entry = await (self._overlay or self._cached).lookup(path)
        await self._set_pinned(entry, False)
        return self.of(entry)

    async def evict(self, path: str) -> Status:
        """Free the local space of ``path`` now; what is pinned stays."""
        entry = await (self._overlay or self._cached).lookup(path)
        self.transfers.cancel_below(path)
        async for file in self.files(entry):
            name = self._cached.identity(file).name
            record = self._cached.store.record(self._cached.identity(file))
            if record is None:
                continue
            if record.pinned and entry.kind is Kind.FILE:
                raise errors.BadRequest(f"{path} is pinned; unpin it first.")
            if not record.pinned:
                self._cached.store.drop(name)
                self._cached.events.touched(file.path)
        self._cached.events.touched(path)
        return self.of(entry)

    async def files(self, entry: Entry) -> AsyncIterator[Entry]:
        """The cacheable files at and below ``entry``, in the order of a walk.

        Raises:
            BadRequest: there are more than ``MOST_FILES``.
        """
        found = 0
        folders = [entry]
        while folders:
            one = folders.pop()
            if one.kind is Kind.FOLDER:
                listing = await self._cached.listing(one.path)
                folders.extend(reversed(listing))
            elif self._cached.keeps(one):
                found += 1
                if found > MOST_FILES:
                    raise errors.BadRequest(
                        f"{entry.path} has more than {MOST_FILES} files; name a folder below it."
                    )
                yield one

    async def _set_pinned(self, entry: Entry, pinned: bool) -> None:
        async for one in self.files(entry):
            file = self._cached.block_file(one, create=pinned)
            if file is not None:
                self._cached.store.pin(file, pinned)
                self._cached.events.touched(one.path)
        self._cached.events.touched(entry.path)

    def _of_folder(self, folder: Entry) -> Status:
        known: list[Status] = []
        all_known = True
        folders = [folder.path]
        while folders:
            listing = self._cached.names.listing(folders.pop(), stale=True)
            if listing is None:
                all_known = False
                continue
            for entry in listing:
                if entry.kind is Kind.FOLDER:
                    folders.append(entry.path)
                else:
                    known.append(self.of(entry))
        if not all_known:
            seen = {status.path for status in known}
            known += [
                Status(
                    path=record.path,
                    kind=Kind.FILE,
                    size=record.size,
                    state=CacheState.PARTIAL,
                    percent=0,
                    cached_bytes=record.cached_bytes,
                    writable=False,
                )
                for record in self._cached.store.below(folder.path)
                if record.path not in seen
            ]
        return folder_status(folder, known, all_known=all_known)

"""What a mount shows of its homes: the cached tree with the journal's files in their places.

Reads, attributes and listings show the user's own unsent files first. As
:class:`Cached`: everything ``async`` belongs to one event loop, the rest may be
called from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextlib import suppress

from .. import errors
from ..cache.cached import Cached
from ..cache.status import unsent_status
from ..model import Entry, Kind, Page, Space, Status
from ..paths import name_of
from ..storage.base import PAGE_ENTRIES
from .aliases import Aliases
from .file import JournalFile
from .journal import Journal
from .queue import UploadQueue, remedy
from .sending import PREFIX, Sending

_PAGE_MARK = "~"


class View:
    """``cached`` with ``journal`` before it, to be looked at.

    Args:
        cached: the tree.
        journal: what is newer.
        user: named in conflicting versions.
    """

    def __init__(self, cached: Cached, journal: Journal, user: str) -> None:
        self.cached = cached
        self.journal = journal
        self.queue = UploadQueue(cached, journal, Sending(cached, journal, user), self._gone)
        self._aliases = Aliases()
        self._volumes: frozenset[str] = frozenset()
        self._writers: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def covers(self, path: str) -> bool:
        """Whether a file at ``path`` is journaled."""
        parts = path.split("/", 3)
        return len(parts) == 4 and parts[1] in self._volumes

    def known(self, path: str) -> Entry | None:
        """See :meth:`Cached.known`."""
        own = self._own(path)
        if own is not None:
            return own
        entry = self.cached.known(path)
        return None if entry is None else self._aliases.shown(entry)

    def known_listing(self, path: str) -> list[Entry] | None:
        """See :meth:`Cached.known_listing`."""
        entries = self.cached.known_listing(path)
        return None if entries is None else self._merged(path, entries)

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Cached.lookup`."""
        return self._own(path) or self._aliases.shown(await self.cached.lookup(path))

    async def refresh(self, path: str) -> Entry:
        """See :meth:`Cached.refresh`: what others closed is seen, unless there is newer here."""
        file = self.journal.get(path)
        if file is not None and file.is_unsent:
            return file.entry()
        entry = await self.cached.refresh(path)
        if file is not None and not file.ended:
            base = file.record.base
            if base is not None and base.version == entry.version:
                return self._own(path) or self._aliases.shown(entry)
            await asyncio.to_thread(self._leave, file, True)
        return self._aliases.shown(entry)

    async def listing(self, path: str) -> list[Entry]:
        """See :meth:`Cached.listing`."""
        return self._merged(path, await self.cached.listing(path))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Cached.scan`."""
        if not self._shows_own(path):
            return await self.cached.scan(path, cursor=cursor, limit=limit)
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        after = (cursor or "").removeprefix(_PAGE_MARK)
        rest = [entry for entry in await self.listing(path) if name_of(entry.path) > after]
        more = len(rest) > limit
        rest = rest[:limit]
        last = _PAGE_MARK + name_of(rest[-1].path) if more else None
        return Page(entries=tuple(rest), cursor=last)

    async def space(self, path: str) -> Space:
        """Room at the source."""
        return await self.cached.space(path)

    def unsent_status(self, path: str, kind: Kind) -> Status | None:
        """The status of an unsent file, or of a folder with such files; None for all others."""
        if kind is Kind.FOLDER:
            found = self.journal.state(path) if self._shows_own(path) else None
        else:
            own = self.journal.get(path)
            found = (own.state, own) if own is not None and own.is_unsent else None
        if found is None:
            return None
        state, file = found
        files = self.journal.unsent(path)
        reason = str(file.failure) if file.failure is not None else ""
        return unsent_status(
            path,
            kind,
            state,
            size=sum(one.size for one in files),
            sent_bytes=sum(one.sent_bytes for one in files if one.sending),
            reason=reason,
            remedy=remedy(file.failure),
        )

    def peek(self, path: str) -> Entry | None:
        """What is at ``path`` as far as memory knows, at any age; asks nobody."""
        return self._own(path) or self.cached.names.peek(path)

    def opened(self, entry: Entry, *, writing: bool) -> None:
        """See :meth:`Cached.opened`; a file that is open for writing stays near."""
        if writing:
            with self._counting:
                self._writers[entry.path] += 1
        self.cached.opened(entry)

    def closed(self, held: Entry, *, wrote: str | None) -> None:
        """The opposite of :meth:`opened`; ``wrote``: the path now of a file open for writing."""
        self.cached.closed(held)
        if wrote is None:
            return
        with self._counting:
            self._writers[wrote] -= 1
            if self._writers[wrote] <= 0:
                del self._writers[wrote]
        file = self.journal.get(wrote)
        if file is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._released, file)

    def read_now(self, entry: Entry, offset: int, length: int) -> bytes | None:
        """See :meth:`Cached.read_now`."""
        file = self.journal.get(entry.path)
        if file is None or file.record.id != entry.id:
            return self.cached.read_now(entry, offset, length)
        try:
            return file.read(offset, length)
        except errors.Stale:
            return None

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Cached.read`."""
        return await self.cached.read(self._aliases.real(entry), offset, length)

    async def _gone(self, file: JournalFile) -> None:
        """All of it is at the service: it leaves, unless somebody may write on."""
        base = file.record.base
        if base is not None:
            self._aliases.replaced(file.path, file.record.id, base.id)
        if not self._writers[file.path]:
            await asyncio.to_thread(self._leave, file, False)

    def _own(self, path: str) -> Entry | None:
        file = self.journal.get(path)
        if file is None:
            return None
        with suppress(errors.Stale):
            return file.entry()
        return None

    def _shows_own(self, folder: str) -> bool:
        parts = folder.split("/", 2)
        return len(parts) > 1 and parts[1] in self._volumes

    def _merged(self, path: str, entries: list[Entry]) -> list[Entry]:
        """A folder's entries with the journal's files in their places."""
        if not self._shows_own(path):
            return entries
        merged = {
            entry.path: self._aliases.shown(entry)
            for entry in entries
            if not name_of(entry.path).startswith(PREFIX)
        }
        for file in self.journal.in_folder(path):
            with suppress(errors.Stale):
                merged[file.path] = file.entry()
        return [merged[one] for one in sorted(merged)]

    def _leave(self, file: JournalFile, open_too: bool) -> None:
        with file.lock:
            if not file.is_unsent and (open_too or not self._writers[file.path]):
                self.journal.remove(file)

    def _released(self, file: JournalFile) -> None:
        """The last writer left."""
        if self._writers[file.path]:
            return
        if file.is_unsent:
            if not file.is_refused:  # close() said so a moment ago
                self.queue.kick(file)
        elif not file.ended and self._loop is not None:
            self._loop.run_in_executor(None, self._leave, file, False)

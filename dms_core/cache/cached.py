"""``Cached``: a storage over a storage that remembers names and keeps blocks on local disk.

Bytes are kept under (volume, id, version): what is cached can be out of date
but never wrong, and two versions never mix. Entries this user may change pass
through uncached. While the source is unreachable, what is known stays usable
for a grace period and the rest fails at once.

Everything ``async`` belongs to one event loop. ``known``, ``known_listing``,
``read_now``, ``opened`` and ``closed`` may be called from any thread, so that
a mount can answer from memory and disk without entering the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from .. import errors
from ..model import Entry, Kind, Page, Space
from ..paths import name_of
from ..storage.base import PAGE_ENTRIES, Storage, WritableStorage
from .blocks import BlockFile, Identity, Shape
from .events import Events
from .fetching import Fetcher, Timing
from .names import Ages, Names
from .reach import Reach
from .store import BlockStore

log = logging.getLogger(__name__)

T = TypeVar("T")

_OURS = "~"  # marks a cursor that continues in our memory, not at the source


class CachedOptions(BaseModel):
    """None: a mount composes this storage itself."""


class Cached(WritableStorage):
    """Names and blocks of ``source``, near.

    Args:
        source: where entries and bytes come from.
        store: the cache folder; closed with this storage.
        name: tells this source's blocks from another's in the same folder.
    """

    Options: ClassVar[type[BaseModel]] = CachedOptions

    def __init__(
        self,
        source: Storage,
        store: BlockStore,
        *,
        name: str,
        ages: Ages | None = None,
        timing: Timing | None = None,
    ) -> None:
        self.writable = source.writable
        self.immutable = source.immutable
        self.store = store
        self.names = Names(ages or Ages())
        self.events = Events()
        self.reach = Reach(lambda: source.lookup("/"), self._reach_changed)
        self.timing = timing or Timing()
        self._source = source
        self._name = name
        self.fetcher = Fetcher(source, store, self.reach, self.timing, self._more_cached)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin the housekeeping; call it within the loop all else will run in."""
        self._loop = asyncio.get_running_loop()
        self._spawn(self._flushing())

    # Names ------------------------------------------------------------------

    def known(self, path: str) -> Entry | None:
        """The entry, if memory may answer; ``NotFound`` if memory knows there is none."""
        entry = self.names.fresh(path)
        if entry is not None and self.names.recheck_due(path) and self._loop is not None:
            self._loop.call_soon_threadsafe(self._spawn_recheck, entry)
        return entry

    def known_listing(self, path: str) -> list[Entry] | None:
        """All entries of a folder, if memory may answer."""
        return self.names.listing(path)

    async def lookup(self, path: str) -> Entry:
        """The entry at ``path``, from memory while that is fresh or the source is away."""
        return self.known(path) or await self._look(path)

    async def refresh(self, path: str) -> Entry:
        """The entry as the source has it now, unless it cannot change or the source is away."""
        known = self.names.peek(path)
        if known is not None and known.immutable:
            return await self.lookup(path)
        return await self._look(path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """A page of a folder; whole listings are remembered with their attributes."""
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        if cursor is not None and not cursor.startswith(_OURS):
            return await self._ask(lambda: self._source.scan(path, cursor=cursor, limit=limit))
        listing = await self.listing(path)
        after = cursor.removeprefix(_OURS) if cursor is not None else ""
        rest = [entry for entry in listing if name_of(entry.path) > after]
        more = len(rest) > limit
        rest = rest[:limit]
        return Page(
            entries=tuple(rest), cursor=_OURS + name_of(rest[-1].path) if more and rest else None
        )

    async def listing(self, path: str) -> list[Entry]:
        """All entries of a folder, page by page from the source unless memory may answer."""
        listing = self.names.listing(path)
        if listing is not None:
            return listing
        entries: list[Entry] = []
        cursor: str | None = None
        try:
            folder = self.known(path) or await self._look(path)
            while True:
                page = await self._ask(
                    lambda cursor=cursor: self._source.scan(path, cursor=cursor)  # type: ignore[misc]
                )
                entries.extend(page.entries)
                self.names.remember_page(page.entries, len(entries))
                cursor = page.cursor
                if cursor is None:
                    break
        except errors.Unreachable:
            listing = self.names.listing(path, stale=True)
            if listing is None:
                raise
            return listing
        self.names.remember_folder(folder, path, (name_of(entry.path) for entry in entries))
        return entries

    # Bytes ------------------------------------------------------------------

    def keeps(self, entry: Entry) -> bool:
        """Whether this entry's bytes are cached at all."""
        return entry.kind is Kind.FILE and not entry.writable and entry.size > 0

    def identity(self, entry: Entry) -> Identity:
        """The name its bytes have in the store."""
        volume = entry.path.split("/", 2)[1]
        return Identity(
            source=self._name, volume=volume, id=entry.id, version=entry.version, path=entry.path
        )

    def block_file(self, entry: Entry, *, create: bool = False) -> BlockFile | None:
        """Where its bytes are kept; None if they are not."""
        if not self.keeps(entry):
            return None
        return self.store.file(self.identity(entry), entry.size, create=create)

    def read_now(self, entry: Entry, offset: int, length: int) -> bytes | None:
        """Bytes that are on local disk, checked; None if any of them is not."""
        file = self.block_file(entry)
        if file is None or (entry.permit_s is not None and self.known(entry.path) is None):
            return None
        span = file.shape.span(offset, length)
        if file.missing(span):
            return None
        self.known(entry.path)
        parts = []
        for index in span:
            data = self.store.read(file, index)
            if data is None:
                return None
            parts.append(data)
        return _cut(parts, span, file.shape, offset, length)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`: blocks that are missing are fetched, and only those."""
        if offset < 0 or length < 0:
            raise errors.BadRequest("Offset and length of a read cannot be negative.")
        file = self.block_file(entry, create=True)
        if file is None:
            return await self._source_read(entry, offset, length)
        if entry.permit_s is not None:
            await self.lookup(entry.path)  # what is cached is given out while that is allowed
        span = file.shape.span(offset, length)
        self.store.hold(file.name)
        try:
            parts = await self.fetcher.read(file, entry, span)
        except (errors.NotFound, errors.NotAllowed, errors.Stale):
            self.names.forget(entry.path)
            raise
        finally:
            self.store.let_go(file.name)
        return _cut(parts, span, file.shape, offset, length)

    def opened(self, entry: Entry) -> None:
        """Note that a handle needs these bytes: they are not evicted until :meth:`closed`."""
        if self.keeps(entry):
            self.store.hold(self.identity(entry).name)

    def closed(self, entry: Entry) -> None:
        """The opposite of :meth:`opened`, with the same entry."""
        if self.keeps(entry):
            self.store.let_go(self.identity(entry).name)

    async def space(self, path: str) -> Space:
        """Room at the source."""
        return await self._ask(lambda: self._source.space(path))

    # Changes: written through -------------------------------------------------

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        return await self._change(
            path, lambda to: to.create(path, mode=mode, exclusive=exclusive), self.timing.ask_s
        )

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        return await self._change(
            path, lambda to: to.make_folder(path, mode=mode), self.timing.ask_s
        )

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        return await self._change(path, lambda to: to.write(path, offset, data), self.timing.read_s)

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        return await self._change(path, lambda to: to.truncate(path, size), self.timing.ask_s)

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`."""
        return await self._change(path, lambda to: to.commit(path), self.timing.read_s)

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        try:
            return await self._change(
                to,
                lambda storage: storage.rename(path, to, replace=replace),
                self.timing.ask_s,
                forget=path,
            )
        except errors.DmsError as error:
            self._failed(path, error)
            raise

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`."""
        try:
            return await self._change(
                to,
                lambda storage: storage.replace(path, to, version),
                self.timing.ask_s,
                forget=path,
            )
        except errors.DmsError as error:
            self._failed(path, error)
            raise

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        storage = self._changeable(path)
        try:
            await self.reach.call(lambda: storage.remove(path), self.timing.ask_s)
        except errors.DmsError as error:
            self._failed(path, error)
            raise
        self.names.absent(path)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        return await self._change(
            path,
            lambda to: to.set_attributes(path, mode=mode, mtime_ns=mtime_ns),
            self.timing.ask_s,
        )

    async def close(self) -> None:
        """End all work, write the index, close the source."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.fetcher.stop()
        await self.reach.stop()
        self.store.close()
        await self._source.close()

    # ------------------------------------------------------------------------

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await self.reach.call(ask, self.timing.ask_s, again=True)

    async def _look(self, path: str) -> Entry:
        try:
            entry = await self._ask(lambda: self._source.lookup(path))
        except errors.Unreachable:
            known = self.names.stale(path)
            if known is None:
                raise
            return known
        except errors.NotFound:
            self._drop_permitted(path)
            self.names.absent(path)
            raise
        except errors.NotAllowed:
            self._drop_permitted(path)
            self.names.forget(path)
            raise
        self.names.remember(entry)
        return entry

    def _drop_permitted(self, path: str) -> None:
        """The bytes at ``path`` are no longer this user's to have near."""
        known = self.names.peek(path)
        if known is not None and known.permit_s is not None and self.keeps(known):
            self.store.drop(self.identity(known).name)

    async def _source_read(self, entry: Entry, offset: int, length: int) -> bytes:
        return await self.reach.call(
            lambda: self._source.read(entry, offset, length), self.timing.read_s, again=True
        )

    def _changeable(self, path: str) -> WritableStorage:
        if not isinstance(self._source, WritableStorage) or not self._source.writable:
            raise errors.ReadOnly(f"{path} is in a read-only storage; write elsewhere.")
        return self._source

    async def _change(
        self,
        path: str,
        change: Callable[[WritableStorage], Awaitable[Entry]],
        timeout_s: float,
        *,
        forget: str | None = None,
    ) -> Entry:
        storage = self._changeable(path)
        try:
            entry = await self.reach.call(lambda: change(storage), timeout_s)
        except errors.DmsError as error:
            self._failed(path, error)
            raise
        if forget is not None:
            self.names.forget(path)
            self.names.forget(forget)
        self.names.added(entry)
        return entry

    def _failed(self, path: str, error: errors.DmsError) -> None:
        """A change that failed may have happened all the same."""
        if isinstance(error, errors.NotFound | errors.NotAllowed):
            self.names.forget(path)
        else:
            self.names.doubt(path)

    def _more_cached(self, entry: Entry) -> None:
        self.events.touched(entry.path)

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reach_changed(self) -> None:
        if self.reach.reachable:
            log.warning("%s answers again", self._name)
        else:
            log.warning("%s is away: %s", self._name, self.reach.reason)
        self.events.reach_changed()

    def _spawn_recheck(self, entry: Entry) -> None:
        self._spawn(self._recheck(entry))

    async def _recheck(self, entry: Entry) -> None:
        """Ask again for an entry that never changes: it may be gone, or no longer allowed."""
        try:
            now = await self._ask(lambda: self._source.lookup(entry.path))
        except errors.Unreachable:
            return
        except errors.DmsError:
            self.names.forget(entry.path)
            self.store.drop(self.identity(entry).name)
            return
        if (now.id, now.version) != (entry.id, entry.version):
            self.store.drop(self.identity(entry).name)
        self.names.remember(now)

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            await asyncio.to_thread(self.store.flush)


def _cut(parts: list[bytes], span: range, shape: Shape, offset: int, length: int) -> bytes:
    """The wanted bytes out of the blocks ``span``."""
    if not parts:
        return b""
    skip = offset - span.start * shape.block_bytes
    whole = parts[0] if len(parts) == 1 else b"".join(parts)
    return whole[skip : skip + length]

"""A home volume that fails at the call it is told to: before doing it, or losing the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from dms_core import errors
from dms_core.cache.cached import Cached
from dms_core.cache.store import BlockStore, Limits
from dms_core.journal.journal import Journal
from dms_core.journal.moving import Waits
from dms_core.journal.overlay import Journaled
from dms_core.model import Entry, Page, Policy, Volume
from dms_core.namespace import Namespace
from dms_core.storage.base import PAGE_ENTRIES, WritableStorage
from dms_core.storage.posix import PosixStorage

T = TypeVar("T")
HOME = Volume(name="home", policy=Policy.HOME, storage="home-disk")
USER = "alice"


class Faulty(WritableStorage):
    """The tree ``/home/alice`` of ``folder``.

    ``away`` fails every call; ``fault`` is asked with each call's name and "before" or
    "after", and raises what shall go wrong there.
    """

    Options: ClassVar[type[BaseModel]] = BaseModel

    def __init__(self, folder: Path) -> None:
        (folder / USER).mkdir(exist_ok=True)
        self.inner = Namespace([(HOME, PosixStorage(folder))])
        self.away = False
        self.fault: Callable[[str, str], None] = lambda name, when: None

    async def _do(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if self.away:
            raise errors.Unreachable("the service is away")
        self.fault(name, "before")
        done = await call()
        self.fault(name, "after")
        return done

    async def lookup(self, path: str) -> Entry:
        return await self._do("lookup", lambda: self.inner.lookup(path))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        return await self._do("scan", lambda: self.inner.scan(path, cursor=cursor, limit=limit))

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        return await self._do("read", lambda: self.inner.read(entry, offset, length))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        return await self._do(
            "create", lambda: self.inner.create(path, mode=mode, exclusive=exclusive)
        )

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        return await self._do("make_folder", lambda: self.inner.make_folder(path, mode=mode))

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        return await self._do("write", lambda: self.inner.write(path, offset, data))

    async def truncate(self, path: str, size: int) -> Entry:
        return await self._do("truncate", lambda: self.inner.truncate(path, size))

    async def commit(self, path: str) -> Entry:
        return await self._do("commit", lambda: self.inner.commit(path))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        return await self._do("rename", lambda: self.inner.rename(path, to, replace=replace))

    async def replace(self, path: str, to: str, version: str) -> Entry:
        return await self._do("replace", lambda: self.inner.replace(path, to, version))

    async def remove(self, path: str) -> None:
        await self._do("remove", lambda: self.inner.remove(path))

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        return await self._do(
            "set_attributes", lambda: self.inner.set_attributes(path, mode=mode, mtime_ns=mtime_ns)
        )


class Machine:
    """A mount's layers without the mount, over ``source``, with cache and journal in ``folder``."""

    def __init__(self, source: Faulty, folder: Path, *, limit: int = 1 << 20) -> None:
        folder.mkdir(exist_ok=True)
        store = BlockStore(folder / "cache", Limits(1 << 20, 4096, min_free_bytes=0))
        self.cached = Cached(source, store, name="test")
        self.journal = Journal(folder / "journal", limit, service="test", user=USER)
        waits = Waits(settle_s=5, drain_s=0, whole_bytes=1 << 19)
        self.tree = Journaled(self.cached, self.journal, USER, waits=waits)
        self.cached.start()
        self.tree.start([HOME])

    async def end(self) -> None:
        """As much of an end as ``kill -9`` leaves: the journal stays as it is."""
        await self.tree.stop()
        await self.cached.close()

    async def save(self, path: str, data: bytes) -> None:
        """What a program does that writes a whole file: create or empty it, write, close."""
        try:
            entry = await self.tree.create(path, exclusive=True)
        except errors.Exists:
            entry = await self.tree.refresh(path)
            if entry.size:
                entry = await self.tree.truncate(path, 0, opening=True)
        if data:
            self.tree.write_now(entry, path, 0, data) or await self.tree.write(entry, path, 0, data)
        await self.tree.flush(path)

    async def bytes_of(self, path: str) -> bytes:
        """All bytes of a file as this machine sees them."""
        while True:  # as the mount does: a file may leave the journal between two calls
            entry = await self.tree.refresh(path)
            near = self.tree.read_now(entry, 0, entry.size)
            if near is not None:
                return near
            with suppress(errors.Stale):
                return await self.tree.read(entry, 0, entry.size)

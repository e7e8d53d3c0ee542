"""A storage over a storage that counts what it is asked for, and fails or hangs when told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from dms_core.model import Entry, Page
from dms_core.storage.base import PAGE_ENTRIES, WritableStorage

T = TypeVar("T")


class Watched(WritableStorage):
    """``inner``, watched."""

    Options: ClassVar[type[BaseModel]] = BaseModel

    def __init__(self, inner: WritableStorage) -> None:
        self.writable = inner.writable
        self.immutable = inner.immutable
        self.inner = inner
        self.lookups: list[str] = []
        self.scans: list[str] = []
        self.reads: list[tuple[str, int, int]] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def _pass(self, answer: Awaitable[T]) -> T:
        await self.gate.wait()
        if self.failure is not None:
            asyncio.ensure_future(answer).cancel()
            raise self.failure
        return await answer

    async def lookup(self, path: str) -> Entry:
        self.lookups.append(path)
        return await self._pass(self.inner.lookup(path))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        self.scans.append(path)
        return await self._pass(self.inner.scan(path, cursor=cursor, limit=limit))

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        self.reads.append((entry.path, offset, length))
        return await self._pass(self.inner.read(entry, offset, length))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        return await self._pass(self.inner.create(path, mode=mode, exclusive=exclusive))

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        return await self._pass(self.inner.make_folder(path, mode=mode))

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        return await self._pass(self.inner.write(path, offset, data))

    async def truncate(self, path: str, size: int) -> Entry:
        return await self._pass(self.inner.truncate(path, size))

    async def commit(self, path: str) -> Entry:
        return await self._pass(self.inner.commit(path))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        return await self._pass(self.inner.rename(path, to, replace=replace))

    async def remove(self, path: str) -> None:
        await self._pass(self.inner.remove(path))

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        return await self._pass(self.inner.set_attributes(path, mode=mode, mtime_ns=mtime_ns))

    async def close(self) -> None:
        await self.inner.close()

"""Locks on paths: who takes in, moves or removes a file does so alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Locks:
    """One lock for each path that is in use. Belongs to one event loop."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def __call__(self, *paths: str) -> AsyncIterator[None]:
        """Keep others from these paths meanwhile."""
        locks = [self._locks.setdefault(path, asyncio.Lock()) for path in sorted(set(paths))]
        held: list[asyncio.Lock] = []
        try:
            for lock in locks:
                await lock.acquire()
                held.append(lock)
            yield
        finally:
            for lock in held:
                lock.release()

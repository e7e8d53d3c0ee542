"""``SiteCache``: blocks of a far storage kept on the disk of a site's service.

The same layer as a mount's, below the service instead of above it. It starts
with its first call, because a configuration is built before the loop runs.
One process holds the folder: several services need a folder each.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ..model import Entry, Page, StorageHealth
from ..storage.base import PAGE_ENTRIES, Storage
from .cached import Cached
from .store import BlockStore, Limits

_GB = 10**9


class SiteCacheConfig(BaseModel):
    """Where a storage's blocks are kept near, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    limit_gb: float = Field(gt=0, description="in units of 10^9 bytes")
    block_kib: int = Field(default=1024, ge=4, le=65536, multiple_of=4)


class SiteCache(Cached):
    """``source`` with a cache near.

    Args:
        source: Where entries and bytes come from; closed with this storage.
        config: The folder and its limit.
        name: The storage's name in the configuration: tells its blocks from another's.

    Raises:
        ConfigError: the folder cannot be used, or another process holds it.
    """

    def __init__(self, source: Storage, config: SiteCacheConfig, name: str) -> None:
        limits = Limits(int(config.limit_gb * _GB), config.block_kib * 1024)
        super().__init__(source, BlockStore(config.folder, limits), name=name)
        self._started = False

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Cached.lookup`."""
        self._start_once()
        return await super().lookup(path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Cached.scan`."""
        self._start_once()
        return await super().scan(path, cursor=cursor, limit=limit)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Cached.read`."""
        self._start_once()
        return await super().read(entry, offset, length)

    def health(self) -> tuple[StorageHealth, ...]:
        """See :meth:`Storage.health`: the source's; what is near can be read all the same."""
        return self._source.health() or (self.reach.health(self.fetcher.fetched_bytes),)

    def _start_once(self) -> None:
        if not self._started:
            self._started = True
            self.start()

"""A replica that cannot be opened when the service starts, and is opened when it can be.

The others serve meanwhile: a service with replicas starts without one of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

from pydantic import BaseModel

from .. import errors
from ..model import Entry, Page, Space, StorageHealth
from ..storage.base import PAGE_ENTRIES, Storage

log = logging.getLogger(__name__)


def open_late(name: str, make: Callable[[], Storage], *, late: bool) -> Storage:
    """What ``make`` makes; with ``late``, if it cannot yet, a stand-in until it can.

    Raises:
        ConfigError: it cannot, and may not be late.
    """
    try:
        return make()
    except errors.ConfigError as error:
        if not late:
            raise
        log.warning("replica %s is not there yet, others serve: %s", name, error)
        return Late(make)


class LateOptions(BaseModel):
    """None: a service composes this storage itself."""


class Late(Storage):
    """What ``make`` makes, once it can; until then it is unreachable.

    Args:
        make: opens the storage, or raises ``ConfigError``; tried at each call.
    """

    Options: ClassVar[type[BaseModel]] = LateOptions

    immutable = True  # replicas are archives; one that can change says so when it is there

    def __init__(self, make: Callable[[], Storage]) -> None:
        self._make = make
        self._made: Storage | None = None

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        return await self._storage().lookup(path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`."""
        return await self._storage().scan(path, cursor=cursor, limit=limit)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        return await self._storage().read(entry, offset, length)

    async def space(self, path: str) -> Space:
        """See :meth:`Storage.space`."""
        return await self._storage().space(path)

    def health(self) -> tuple[StorageHealth, ...]:
        """See :meth:`Storage.health`; until it is there, who uses it tells that it is away."""
        return self._made.health() if self._made is not None else ()

    async def close(self) -> None:
        """Close it, if it was opened."""
        if self._made is not None:
            await self._made.close()

    def _storage(self) -> Storage:
        if self._made is None:
            try:
                self._made = self._make()
            except errors.ConfigError as error:
                raise errors.Unreachable(str(error)) from None
        return self._made

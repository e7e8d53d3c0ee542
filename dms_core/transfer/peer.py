"""``Peer``: another DMS as a storage of this one.

Adds to :class:`~dms_core.storage.remote.RemoteStorage` what the users of this
service need: they read of their path and not of a service that they do not
know, and a token that the other does not take is no fault of theirs. While the
other is away every call fails at once, and a probe in the background asks
again. What is wrong is logged for the operator when that begins and ends.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from .. import errors
from ..cache.reach import Reach
from ..model import Entry, Page, Space, StorageHealth
from ..movers.base import Refused, seconds_for
from ..storage.base import PAGE_ENTRIES, Storage, WritableStorage
from ..storage.remote import RemoteOptions, RemoteStorage
from .away import for_users

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_LONGEST_S = 400.0  # a call ends by its own deadline, much sooner; this is for one that does not


def wrapped(storage: Storage) -> Storage:
    """``storage``, as a peer if it is another DMS."""
    return Peer(storage) if isinstance(storage, RemoteStorage) else storage


class Peer(WritableStorage):
    """The tree of ``remote``; closed with this storage."""

    Options: ClassVar[type[BaseModel]] = RemoteOptions

    def __init__(self, remote: RemoteStorage) -> None:
        remote.rest.advice = "see whether that DMS is well, or correct 'url'"
        self.reach = Reach(lambda: self._marked(remote.lookup("/")), self._reach_changed)
        self._remote = remote
        self._why: type[errors.Unreachable] = errors.Unreachable
        self._served_bytes = 0

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        return await self._ask(path, lambda: self._remote.lookup(path))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`."""
        return await self._ask(path, lambda: self._remote.scan(path, cursor=cursor, limit=limit))

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        data = await self._ask(
            entry.path, lambda: self._remote.read(entry, offset, length), max(length, 0)
        )
        self._served_bytes += len(data)
        return data

    async def space(self, path: str) -> Space:
        """See :meth:`Storage.space`."""
        return await self._ask(path, lambda: self._remote.space(path))

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        return await self._ask(
            path, lambda: self._remote.create(path, mode=mode, exclusive=exclusive)
        )

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        return await self._ask(path, lambda: self._remote.make_folder(path, mode=mode))

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        return await self._ask(path, lambda: self._remote.write(path, offset, data), len(data))

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        return await self._ask(path, lambda: self._remote.truncate(path, size))

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`."""
        return await self._ask(path, lambda: self._remote.commit(path))

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        return await self._ask(path, lambda: self._remote.rename(path, to, replace=replace))

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`."""
        return await self._ask(path, lambda: self._remote.replace(path, to, version))

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        await self._ask(path, lambda: self._remote.remove(path))

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        return await self._ask(
            path, lambda: self._remote.set_attributes(path, mode=mode, mtime_ns=mtime_ns)
        )

    def health(self) -> tuple[StorageHealth, ...]:
        """See :meth:`Storage.health`."""
        return (self.reach.health(self._served_bytes),)

    async def close(self) -> None:
        """End the probe and close the connections."""
        await self.reach.stop()
        await self._remote.close()

    async def _ask(self, path: str, ask: Callable[[], Awaitable[_T]], size: int = 0) -> _T:
        try:
            return await self.reach.call(lambda: self._marked(ask()), seconds_for(_LONGEST_S, size))
        except errors.StorageAway:
            raise  # the other is there and says which of its storages is not, with the path
        except errors.Unreachable as error:
            raise for_users(self._why, path) from error

    async def _marked(self, work: Awaitable[_T]) -> _T:
        """The outcome of ``work``, noting in which way the other is away."""
        try:
            return await work
        except errors.NotAuthenticated as error:
            self._why = Refused
            raise Refused(
                self._named(f"it does not let us in ({error}); renew the token in 'token_file'.")
            ) from None
        except errors.StorageAway:
            raise
        except errors.Unreachable as error:
            self._why = type(error)
            raise type(error)(self._named(str(error))) from None

    def _named(self, said: str) -> str:
        """A sentence for the operator, beginning with what it is about."""
        url = self._remote.url
        return f"remote {said}" if said.startswith(url) else f"remote {url}: {said}"

    def _reach_changed(self) -> None:
        if self.reach.reachable:
            log.warning("remote %s answers again", self._remote.url)
        else:
            log.warning("%s", self.reach.reason)

"""``Moved``: a read-only storage of whatever a mover reaches.

Adds to the mover what a storage promises: order and pages, sentences for
users, and a door: while the server is away every call fails at once instead of
waiting for its own deadline, and a probe in the background opens it again.
What is wrong is logged for the operator when the door opens or closes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from .. import errors
from ..cache.reach import Reach
from ..model import Entry, Kind, Page, StorageHealth
from ..movers import registry
from ..movers.base import Busy, Mover, seconds_for
from ..paths import name_of, parts_of
from ..storage.base import PAGE_ENTRIES, Storage
from .away import for_users

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_LONGEST_S = 400.0  # a mover ends its calls itself, much sooner; this is for one that does not
_MAX_KEPT_ENTRIES = 500_000
_KEPT_S = 60.0
_LOG_AGAIN_S = 60.0


class MovedOptions(BaseModel):
    """What a mover is configured with as a storage, beside its own options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    immutable: bool = Field(
        default=False, description="an archive whose files never change once they are seen"
    )
    settle_s: float = Field(
        default=0, ge=0, description="only files that were not changed so long are immutable"
    )


class Moved(Storage):
    """The files of ``mover``; closed with this storage."""

    Options: ClassVar[type[BaseModel]] = MovedOptions

    def __init__(self, mover: Mover, *, immutable: bool = False, settle_s: float = 0) -> None:
        self.mover = mover
        self.immutable = immutable and not settle_s
        self.reach = Reach(lambda: self._marked(mover.stat("/")), self._reach_changed)
        self._settle_s = settle_s if immutable else None
        self._why: type[errors.Unreachable] = errors.Unreachable
        self._full_logged_s: float | None = None
        self._served_bytes = 0
        self._listings = _Listings()
        self._flights: dict[str, asyncio.Task[list[Entry]]] = {}

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
        parts_of(path)
        return self._ours(await self._ask(path, lambda: self.mover.stat(path)))

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`; the cursor is the last name of the page before."""
        parts_of(path)
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        listing = self._listings.get(path) if cursor is not None else None
        if listing is None:
            listing = await self._ask(path, lambda: self._listing(path))
        at = 0
        if cursor is not None:
            at = bisect_right(listing, cursor, key=lambda one: name_of(one.path))
        page = tuple(self._ours(entry) for entry in listing[at : at + limit])
        more = at + limit < len(listing)
        return Page(entries=page, cursor=name_of(page[-1].path) if more else None)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        data = await self._ask(
            entry.path, lambda: self.mover.read(entry, offset, length), max(length, 0)
        )
        self._served_bytes += len(data)
        return data

    def health(self) -> tuple[StorageHealth, ...]:
        """See :meth:`Storage.health`; one that is full is not away."""
        return (self.reach.health(self._served_bytes),)

    async def close(self) -> None:
        """End the probe and the listings on their way, and close the mover."""
        await self.reach.stop()
        for task in self._flights.values():
            task.cancel()
        await asyncio.gather(*self._flights.values(), return_exceptions=True)
        await self.mover.close()

    async def _listing(self, path: str) -> list[Entry]:
        """The folder as it is now: one listing for all who ask while it is on its way.

        It goes on when they give up, so that a huge folder is there when they ask again.
        """
        task = self._flights.get(path)
        if task is None:
            task = self._flights[path] = asyncio.ensure_future(self._list(path))
            task.add_done_callback(lambda done: self._landed(path, done))
        return await asyncio.shield(task)

    async def _list(self, path: str) -> list[Entry]:
        found = [entry async for part in self.mover.listing(path) for entry in part]
        found.sort(key=lambda one: one.path)  # by code point, which is the byte order of UTF-8
        return found

    def _landed(self, path: str, done: asyncio.Task[list[Entry]]) -> None:
        del self._flights[path]
        if not done.cancelled() and done.exception() is None:
            self._listings.keep(path, done.result())

    def _ours(self, entry: Entry) -> Entry:
        if self._settle_s is None or entry.kind is not Kind.FILE:
            return entry
        settled = not self._settle_s or time.time() - entry.mtime_ns / 1e9 > self._settle_s
        return entry.model_copy(update={"immutable": True}) if settled else entry

    async def _ask(self, path: str, ask: Callable[[], Awaitable[_T]], size: int = 0) -> _T:
        try:
            found = await self.reach.call(
                lambda: self._marked(ask()), seconds_for(_LONGEST_S, size)
            )
        except errors.Unreachable as error:
            raise for_users(self._why, path) from error
        if isinstance(found, Busy):
            self._log_full(found)
            raise for_users(Busy, path) from found
        return found

    async def _marked(self, work: Awaitable[_T]) -> _T | Busy:
        """The outcome of ``work``, noting in which way the server is away.

        One that is full is not: the calls that it has room for go on.
        """
        try:
            return await work
        except Busy as error:
            return error
        except errors.Unreachable as error:
            self._why = type(error)
            raise

    def _log_full(self, error: Busy) -> None:
        now = time.monotonic()
        if self._full_logged_s is None or now - self._full_logged_s > _LOG_AGAIN_S:
            self._full_logged_s = now
            log.warning("%s", error)

    def _reach_changed(self) -> None:
        if self.reach.reachable:
            log.warning("%s answers again", self.mover.url)
        else:
            log.warning("%s", self.reach.reason)


class _Listings:
    """Whole folders between the pages of their scans, the oldest going first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, list[Entry]]] = OrderedDict()

    def get(self, path: str) -> list[Entry] | None:
        since_s, listing = self._kept.get(path, (0.0, None))
        if listing is None or time.monotonic() - since_s > _KEPT_S:
            return None
        return listing

    def keep(self, path: str, listing: list[Entry]) -> None:
        self._kept[path] = (time.monotonic(), listing)
        self._kept.move_to_end(path)
        while (
            len(self._kept) > 1
            and sum(len(one) for _, one in self._kept.values()) > _MAX_KEPT_ENTRIES
        ):
            self._kept.popitem(last=False)


def options(kind: str, given: Mapping[str, object]) -> BaseModel:
    """``given`` as the checked options of a kind of mover and of :class:`Moved`.

    Raises:
        ConfigError: no such kind of mover.
        pydantic.ValidationError: the options are wrong.
    """
    mover = registry.load(kind)
    both = create_model("Options", __base__=(mover.Options, MovedOptions))
    return both.model_validate(dict(given))


def make(kind: str, checked: BaseModel) -> Moved:
    """A storage of a kind of mover, from its checked options.

    Raises:
        ConfigError: it cannot work with these options.
    """
    chosen = {key: value for key, value in checked if key in checked.model_fields_set}
    ours = {key: chosen.pop(key) for key in MovedOptions.model_fields if key in chosen}
    return Moved(registry.load(kind)(**chosen), **ours)

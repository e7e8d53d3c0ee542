"""``Replicated``: one volume's tree, served from several storages that hold the same.

Reads go to the nearest storage that is healthy, in the order of the
configuration. One that fails, or is silent for longer than its deadline, is
left in the middle of the call, and the next goes on; a probe brings it back
(:mod:`.health`). Entries look the same whichever served them
(:mod:`.agreement`), and a storage whose entry is not the one that was shown is
not used for that entry. Callers cannot tell who served them; operators can, by
:meth:`Replicated.health` and the log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from pydantic import BaseModel

from .. import errors
from ..model import Entry, Kind, Page, Space, StorageHealth
from ..paths import name_of, parts_of
from ..storage.base import PAGE_ENTRIES, Storage
from .agreement import difference, shown
from .health import Health, Patience
from .memory import Memory

log = logging.getLogger(__name__)

T = TypeVar("T")

_CALLERS = (errors.BadRequest, errors.IsAFolder)
"""Errors that are the caller's own, and would be the same everywhere."""


class ReplicatedOptions(BaseModel):
    """None: a volume's ``storages`` make one."""


@dataclass(slots=True)
class Replica:
    """One of the storages, and how it is."""

    name: str
    storage: Storage
    health: Health
    served_bytes: int = 0


class Replicated(Storage):
    """The tree that all of ``storages`` hold, nearest first. Read only.

    Args:
        storages: their names in the configuration, and what they are.
        patience: deadlines and pauses.
    """

    Options: ClassVar[type[BaseModel]] = ReplicatedOptions

    def __init__(
        self, storages: Sequence[tuple[str, Storage]], *, patience: Patience | None = None
    ) -> None:
        self._patience = patience or Patience()
        self.replicas = tuple(
            Replica(name, storage, Health(name, storage, self._patience))
            for name, storage in storages
        )
        self.immutable = all(storage.immutable for _, storage in storages)
        self._memory = Memory()

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`; an entry that only some have is there."""

        async def look(replica: Replica) -> Entry:
            own = await self._own_entry(replica, path)
            self._check_known(own)
            return shown(own, immutable=self.immutable)

        return await self._nearest(path, look)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`; a listing that one began, another can end."""
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        began, inner, after = _opened(cursor)
        return await self._nearest(
            path,
            lambda replica: self._page(
                replica, path, inner if replica.name == began else None, after, limit
            ),
            first=began,
        )

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`: the bytes of the version that was shown, or ``Stale``."""
        if offset < 0 or length < 0:
            raise errors.BadRequest("Offset and length of a read cannot be negative.")
        if entry.kind is Kind.FOLDER:
            raise errors.IsAFolder(f"{entry.path} is a folder; name a file.")
        changed = False
        for replica in self._usable(entry.path):
            try:
                data = await self._read_from(replica, entry, offset, length)
            except (errors.Stale, errors.NotFound, errors.NotAFolder) as error:
                changed = True
                await self._blame(replica, entry.path, error)
            except errors.DmsError as error:
                await self._blame(replica, entry.path, error)
            else:
                replica.served_bytes += len(data)
                return data
        known = self._known_away(entry.path)
        if changed and (known is None or difference(entry, known)):
            for replica in self.replicas:  # what was shown is out of date everywhere
                self._memory.take_back(replica.name, entry.path)
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")
        raise _none_left(entry.path)

    async def space(self, path: str) -> Space:
        """Room at the nearest storage."""
        return await self._nearest(
            path,
            lambda replica: replica.health.ask(
                lambda: replica.storage.space(path), self._patience.answer_s
            ),
        )

    async def agreeing(self, entry: Entry) -> AsyncIterator[str]:
        """Names of the storages that have this entry now as it was shown."""
        for replica in self._usable(entry.path):
            self._memory.forget(replica.name, entry.path)
            with suppress(errors.DmsError):
                own = await self._own_entry(replica, entry.path)
                if entry.kind is Kind.FOLDER or not difference(entry, own):
                    yield replica.name

    def health(self) -> tuple[StorageHealth, ...]:
        """See :meth:`Storage.health`: each replica, as it is used here."""
        aside = self._memory.aside()
        return tuple(
            StorageHealth(
                storage=replica.name,
                state="used" if replica.health.usable else "away",
                reason=_why(replica),
                since_s=replica.health.since,
                times_away=replica.health.times_left,
                served_bytes=replica.served_bytes,
                set_aside=aside[replica.name],
            )
            for replica in self.replicas
        )

    async def close(self) -> None:
        """End the probes and close the storages."""
        for replica in self.replicas:
            await replica.health.stop()
            await replica.storage.close()

    # ------------------------------------------------------------------------

    def _usable(self, path: str, *, first: str | None = None) -> Iterator[Replica]:
        """Storages to ask for ``path``, nearest first; each is judged when its turn comes."""
        for replica in sorted(self.replicas, key=lambda each: each.name != first):
            if replica.health.usable and not self._memory.is_aside(replica.name, path):
                yield replica

    async def _nearest(
        self, path: str, call: Callable[[Replica], Awaitable[T]], *, first: str | None = None
    ) -> T:
        """What the nearest storage answers that has ``path``.

        Raises:
            NotFound: none has it, and one of them is whole.
            NotAFolder: a file stands where a folder is needed.
            Unreachable: none can tell.
        """
        parts_of(path)
        lacking: list[Replica] = []
        no_folder: errors.NotAFolder | None = None
        for replica in self._usable(path, first=first):
            try:
                answer = await call(replica)
            except errors.NotFound:
                lacking.append(replica)
            except errors.NotAFolder as error:
                no_folder = error
            except errors.DmsError as error:
                await self._blame(replica, path, error)
            else:
                for each in lacking:
                    await self._blame(each, path, errors.NotFound("it does not have it"))
                return answer
        raise no_folder or await self._nowhere(path, lacking)

    async def _own_entry(self, replica: Replica, path: str) -> Entry:
        own = await replica.health.ask(
            lambda: replica.storage.lookup(path), self._patience.answer_s
        )
        self._memory.remember(replica.name, own)
        return own

    async def _page(
        self, replica: Replica, path: str, cursor: str | None, after: str, limit: int
    ) -> Page:
        """The page that begins after the name ``after``, wherever this storage has that."""
        while True:
            page = await replica.health.ask(
                lambda at=cursor: replica.storage.scan(path, cursor=at, limit=limit),  # type: ignore[misc]
                self._patience.listing_s,
            )
            for own in page.entries:
                self._memory.remember(replica.name, own)
            found = [own for own in page.entries if name_of(own.path) > after]
            cursor = page.cursor
            if found or cursor is None:
                return Page(
                    entries=tuple(shown(own, immutable=self.immutable) for own in found),
                    cursor=None
                    if cursor is None
                    else json.dumps([replica.name, cursor, name_of(found[-1].path)]),
                )

    async def _read_from(self, replica: Replica, entry: Entry, offset: int, length: int) -> bytes:
        own = self._memory.own(replica.name, entry.path)
        for fresh in (own is None, True):
            if own is None or fresh:
                own = await self._own_entry(replica, entry.path)
            if differs := difference(entry, own):
                if not fresh:
                    continue
                raise errors.Stale(differs)
            try:
                data = await replica.health.ask(
                    lambda own=own: replica.storage.read(own, offset, length),  # type: ignore[misc]
                    self._patience.for_bytes(length),
                )
            except errors.Stale:
                if fresh:
                    raise
                continue
            if len(data) != max(0, min(length, entry.size - offset)):
                raise errors.Damaged(f"it gave {len(data)} bytes of {length} at {offset}")
            return data
        raise AssertionError("the second turn ends")

    async def _blame(self, replica: Replica, path: str, error: errors.DmsError) -> None:
        """Go on without a storage that failed: altogether, or only for this entry.

        Raises:
            DmsError: it is the caller's own mistake.
        """
        if isinstance(error, _CALLERS):
            raise error
        if not replica.health.usable or not await replica.health.has_root():
            return
        self._memory.set_aside(replica.name, path)
        log.warning("replica %s is not used for %s: %s", replica.name, path, error)

    async def _nowhere(self, path: str, lacking: Sequence[Replica]) -> errors.DmsError:
        """Why no storage has ``path``: it does not exist only if one that is whole says so."""
        if self._known_away(path):
            return _none_left(path)
        for replica in lacking:
            if await replica.health.has_root():
                return errors.NotFound(f"{path} does not exist; check the path.")
        return _none_left(path)

    def _known_away(self, path: str) -> Entry | None:
        """What is remembered of ``path`` at a storage that is left now.

        Nobody may be told of another version, or that it is gone, while the one
        that was believed so far cannot be asked.
        """
        for replica in self.replicas:
            if not replica.health.usable and (own := self._memory.own(replica.name, path)):
                return own
        return None

    def _check_known(self, own: Entry) -> None:
        known = self._known_away(own.path)
        if known is None or own.kind is Kind.FOLDER:
            return
        if differs := difference(shown(known, immutable=self.immutable), own):
            raise errors.Stale(differs)


def _opened(cursor: str | None) -> tuple[str | None, str | None, str]:
    """Who began a listing, its own cursor, and the last name that was given out."""
    if cursor is None:
        return None, None, ""
    try:
        began, inner, after = json.loads(cursor)
    except (ValueError, TypeError):
        began = inner = after = None
    if not (isinstance(began, str) and isinstance(inner, str) and isinstance(after, str)):
        raise errors.BadRequest(f"The cursor {cursor!r} is none; begin the listing again.")
    return began, inner, after


def _why(replica: Replica) -> str:
    """Why it is left: as its storage tells operators, else as it told users."""
    own = (each.reason for each in replica.storage.health() if each.reason)
    return replica.health.reason and next(own, replica.health.reason)


def _none_left(path: str) -> errors.StorageAway:
    return errors.StorageAway(
        f"{path} cannot be read now: no copy of it answers; try again in a minute."
    )

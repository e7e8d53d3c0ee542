"""Renaming and removing where some files are not at the service yet.

A file that the service never had is moved and removed here. Of the others the
service must know: what waits is sent first, and while the service is away it
cannot be done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from .. import errors
from ..cache.cached import Cached
from ..model import Entry, Kind
from ..paths import folder_of
from .file import JournalFile
from .journal import Journal
from .locks import Locks
from .records import Sent
from .view import View


@dataclass(frozen=True, slots=True)
class Waits:
    """How long a caller waits, in seconds, and what is taken in whole."""

    settle_s: float = 20.0
    """``fsync`` and ``close`` wait so long for the service; the journal has it before."""
    drain_s: float = 10.0
    """So long the end of the mount waits for the queue."""
    whole_bytes: int = 64 << 20
    """A larger file that is there already is changed in place at the service."""


class Moving(View):
    """The :class:`View` in which entries can be renamed and removed.

    Args:
        cached: the tree.
        journal: what is newer.
        user: named in conflicting versions.
        waits: how long callers wait.
    """

    def __init__(
        self, cached: Cached, journal: Journal, user: str, *, waits: Waits | None = None
    ) -> None:
        super().__init__(cached, journal, user)
        self.waits = waits or Waits()
        self._locked = Locks()
        self._lost: dict[str, tuple[Sent, ...]] = {}

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """Move; an unsent file is sent first, or moved here if the service never had it.

        Raises:
            Unreachable: it takes the service, which is away.
        """
        if not (self.covers(path) and self.covers(to)):
            return await self.cached.rename(path, to, replace=replace)
        async with self._locked(path, to):
            for waiting in self.journal.unsent(path):
                if self.cached.reach.reachable:
                    with suppress(errors.DmsError):
                        await self.queue.settle(waiting, self.waits.settle_s)
            file = self.journal.get(path)
            unsent = self.journal.unsent(path)
            if file is not None and file.is_unsent:
                if file.record.base is not None or file.record.sent:
                    raise _must_wait(path, "renamed", file)
                return await self._rename_here(file, to, replace=replace)
            if unsent:
                raise _must_wait(unsent[0].path, "moved with its folder", unsent[0])
            return await self._rename_there(path, to, replace=replace)

    async def remove(self, path: str) -> None:
        """Remove; of an unsent file the service never had, nothing is left."""
        if not self.covers(path):
            await self.cached.remove(path)
            return
        async with self._locked(path):
            if self.journal.unsent(path.rstrip("/")) and self.journal.get(path) is None:
                raise errors.NotEmpty(f"{path} has files that are not sent yet.")
            file = self.journal.get(path)
            if file is None:
                await self.cached.remove(path)
                return
            async with self._held_back(file):
                if file.record.base is not None or file.record.sent:
                    with suppress(errors.NotFound):
                        await self.cached.remove(path)
                await asyncio.to_thread(self.journal.remove, file)
                self.cached.names.absent(path)

    async def _rename_here(self, file: JournalFile, to: str, *, replace: bool) -> Entry:
        target = self.journal.get(to)
        base = target.record.base if target is not None else None
        there: Entry | None = None
        with suppress(errors.NotFound):
            there = await self.lookup(to)
        if there is not None:
            if not replace:
                raise errors.Exists(f"{to} exists already; choose another name.")
            if there.kind is not Kind.FILE:
                raise errors.IsAFolder(f"{to} is no file.")
        elif (await self.lookup(folder_of(to))).kind is not Kind.FOLDER:
            raise errors.NotAFolder(f"{folder_of(to)} is no folder.")
        if target is None and there is not None:
            base = self._aliases.real(there)
        async with self._held_back(file):
            if target is not None:
                await self.queue.hold_back(target)
            old = file.path
            file.record.sent = (*file.record.sent, *self._lost.pop(to, ()))
            await asyncio.to_thread(self.journal.move, file, to, base)
        self._moved(old, to)
        return file.entry()

    async def _rename_there(self, path: str, to: str, *, replace: bool) -> Entry:
        target = self.journal.get(to)
        file = self.journal.get(path)
        if target is None:
            entry = await self._renamed(path, to, replace=replace)
        else:
            if not replace:
                raise errors.Exists(f"{to} exists already; choose another name.")
            async with self._held_back(target):
                entry = await self._renamed(path, to, replace=True)
                await asyncio.to_thread(self.journal.remove, target)
        if file is not None and not file.ended:
            await asyncio.to_thread(self.journal.move, file, to, entry)
        self._moved(path, to)
        return self._own(to) or self._aliases.shown(entry)

    async def _renamed(self, path: str, to: str, *, replace: bool) -> Entry:
        """Rename at the service; if its answer is lost, note what may be at ``to`` now."""
        moving = self.cached.names.peek(path)
        try:
            return await self.cached.rename(path, to, replace=replace)
        except errors.Unreachable:
            if moving is not None and moving.kind is Kind.FILE:
                known = Sent(id=moving.id, size=moving.size, mtime_ns=moving.mtime_ns)
                self._lost[to] = (*self._lost.pop(to, ()), known)
            raise

    def _moved(self, path: str, to: str) -> None:
        self._aliases.moved(path, to)
        with self._counting:
            moved = self._writers.pop(path, 0)
            if moved:
                self._writers[to] += moved

    @asynccontextmanager
    async def _held_back(self, file: JournalFile) -> AsyncIterator[None]:
        await self.queue.hold_back(file)
        try:
            yield
        finally:
            self.queue.let_go(file)


def _must_wait(path: str, what: str, file: JournalFile) -> errors.Unreachable:
    why = f" ({file.failure})" if file.failure is not None else ""
    return errors.Unreachable(
        f"{path} is not sent yet and cannot be {what} before that{why}; try again later."
    )

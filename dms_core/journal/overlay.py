"""``Journaled``: a cached tree in which changes of homes are accepted here and sent afterwards.

A file that is changed is taken into the journal with all its bytes, changed
there, and sent when it is synced or closed. Files of other volumes, folders,
and large files that are changed in part are written through as before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .. import errors
from ..cache.cached import Cached
from ..model import Entry, Kind, Policy, Queue, Volume
from ..paths import folder_of
from .file import JournalFile
from .hold import HoldFile
from .journal import Journal
from .moving import Moving, Waits

log = logging.getLogger(__name__)

_PIECE_BYTES = 4 << 20
_TRIES = 5
_HOLD_S = 1.0


class Journaled(Moving):
    """``cached`` with ``journal`` before it, to be looked at and changed.

    Args:
        cached: the tree.
        journal: where changes of homes are accepted.
        user: named in conflicting versions.
        waits: how long callers wait.
        hold_file: says while something is unsent that this machine must stay; None: no file.
    """

    def __init__(
        self,
        cached: Cached,
        journal: Journal,
        user: str,
        *,
        waits: Waits | None = None,
        hold_file: Path | None = None,
    ) -> None:
        super().__init__(cached, journal, user, waits=waits)
        self._hold = HoldFile(hold_file, journal, user)
        self._telling: asyncio.Task[None] | None = None

    def start(self, volumes: Iterable[Volume]) -> None:
        """Begin to send; homes among ``volumes`` are journaled. Call it within the loop."""
        self._loop = asyncio.get_running_loop()
        self._volumes = frozenset(one.name for one in volumes if one.policy is Policy.HOME)
        self.journal.became_unsent = self._became_unsent
        self._telling = self._loop.create_task(self._tell_what_is_held())
        for file in self.journal.unsent():
            if file.record.base is not None:
                self._aliases.replaced(file.path, file.record.id, file.record.base.id)
        self.queue.start()

    async def emptied(self) -> None:
        """If somebody keeps this machine for it, return when the service has everything."""
        left = self.journal.unsent()
        if left and self._hold.is_kept:
            log.warning("%d files are not sent yet; this mount ends when they are", len(left))
            await self.queue.emptied()

    async def stop(self) -> None:
        """Send what can be sent soon, say what stays, let go of the journal."""
        await self.queue.stop(self.waits.drain_s)
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
        self._hold.update()
        left = self.journal.unsent()
        if left:
            log.warning(
                "%d files (%s bytes) are not sent yet; they stay in %s and are sent by the next "
                "mount of this user with that journal",
                len(left),
                f"{sum(file.size for file in left):,}",
                self.journal.folder,
            )
        self.journal.close()

    def shown_queue(self) -> Queue:
        """What waits, for people."""
        return self.queue.shown()

    def write_now(self, seen: Entry, path: str, offset: int | None, data: bytes) -> Entry | None:
        """Put bytes into an unsent file; None if ``path`` is none, then :meth:`write`."""
        file = self.journal.get(path)
        if file is None or file.record.id != seen.id:
            return None
        with suppress(errors.Stale):
            file.write(offset, data)
            return file.entry()
        return None

    async def write(self, seen: Entry, path: str, offset: int | None, data: bytes) -> Entry:
        """Put bytes at ``offset``, or at the end; the journal has them when this returns.

        Args:
            seen: the file as the writer has it open.
            path: where it is now.
            offset: None: at the end.
            data: what to write.

        Raises:
            Stale: another machine replaced the file since it was opened.
        """
        if not self.covers(path):
            return await self.cached.write(path, seen.size if offset is None else offset, data)
        for _ in range(_TRIES):
            file = await self._taken_in(path, seen=seen)
            if file is None:  # too large: through to the service
                at = seen.size if offset is None else offset
                return self._aliases.shown(await self.cached.write(path, at, data))
            with suppress(errors.Stale):
                await asyncio.to_thread(file.write, offset, data)
                return file.entry()
        raise errors.Stale(f"{path} changes faster than it can be written; try again.")

    async def truncate(self, path: str, size: int, *, opening: bool = False) -> Entry:
        """Cut or grow a file; sent at once unless it is open, or about to be (``opening``)."""
        if not self.covers(path):
            return await self.cached.truncate(path, size)
        for _ in range(_TRIES):
            file = await self._taken_in(path, empty=size == 0)
            if file is None:
                return self._aliases.shown(await self.cached.truncate(path, size))
            with suppress(errors.Stale):
                await asyncio.to_thread(file.truncate, size)
                if not opening and not self._writers[path]:
                    await self.flush(path)
                return self._own(path) or await self.lookup(path)
        raise errors.Stale(f"{path} changes faster than it can be cut; try again.")

    async def flush(self, path: str) -> None:
        """At ``close``: the journal has it for good; the service too if it can be reached."""
        file = self.journal.get(path)
        if file is not None and file.is_unsent:
            await asyncio.to_thread(file.sync)
            await self.queue.settle(file, self.waits.settle_s)

    async def commit(self, path: str) -> Entry:
        """At ``fsync``: as :meth:`flush`, also for what was written through."""
        if self.journal.get(path) is None:
            return self._aliases.shown(await self.cached.commit(path))
        await self.flush(path)
        return await self.lookup(path)

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """Make a file: at the service if it can be reached, else here."""
        if self._own(path) is not None:
            raise errors.Exists(f"{path} exists already; choose another name.")
        try:
            made = await self.cached.create(path, mode=mode, exclusive=exclusive)
            return self._aliases.shown(made)
        except errors.Unreachable:
            if not self.covers(path):
                raise
        async with self._locked(path):
            folder = await self.cached.lookup(folder_of(path))
            if folder.kind is not Kind.FOLDER:
                raise errors.NotAFolder(f"{folder.path} is no folder.")
            with suppress(errors.NotFound, errors.Unreachable):
                await self.lookup(path)
                raise errors.Exists(f"{path} exists already; choose another name.")
            file = self.journal.draft(path, None, mode & 0o777, None)
            file.record.sent = self._lost.pop(path, ())
            await asyncio.to_thread(self._add, file)
            await asyncio.to_thread(file.sync)
            return file.entry()

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`Cached.make_folder`."""
        return await self.cached.make_folder(path, mode=mode)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """Change what is given."""
        file = self.journal.get(path)
        if file is not None:
            with suppress(errors.Stale):
                await asyncio.to_thread(file.set_attributes, mode, mtime_ns)
                if not self._writers[path]:
                    self.queue.kick(file)
                return file.entry()
        entry = await self.cached.set_attributes(path, mode=mode, mtime_ns=mtime_ns)
        return self._aliases.shown(entry)

    async def _taken_in(
        self, path: str, *, seen: Entry | None = None, empty: bool = False
    ) -> JournalFile | None:
        """The file at ``path`` with all its bytes in the journal; None if it is too large."""
        async with self._locked(path):
            file = self.journal.get(path)
            if file is None or file.ended:
                base = await self.cached.refresh(path)
                shown_id = self._aliases.shown(base).id
                if base.kind is not Kind.FILE:
                    raise errors.IsAFolder(f"{path} is no file.")
                if not empty and base.size > self.waits.whole_bytes:
                    return None
                file = self.journal.draft(path, shown_id, base.mode, base)
                file.record.sent = self._lost.pop(path, ())
                try:
                    if seen is not None and shown_id != seen.id:
                        raise _replaced(path)
                    if not empty:
                        await self._fetch(base, file)
                    await asyncio.to_thread(self._add, file)
                except BaseException:
                    self.journal.discard(file)
                    raise
                self._aliases.replaced(path, shown_id, base.id)
            elif seen is not None and file.record.id != seen.id:
                raise _replaced(path)
            return file

    async def _fetch(self, base: Entry, file: JournalFile) -> None:
        offset = 0
        while offset < base.size:
            piece = await self.cached.read(base, offset, _PIECE_BYTES)
            if not piece:
                raise errors.Stale(f"{base.path} became shorter while it was read; try again.")
            await asyncio.to_thread(file.write, offset, piece)
            offset += len(piece)
        if base.size:  # a power cut must not leave a record of bytes that were not kept
            await asyncio.to_thread(file.sync)

    def _add(self, file: JournalFile) -> None:
        self.journal.add(file)
        self._became_unsent(file)

    async def _gone(self, file: JournalFile) -> None:
        await super()._gone(file)
        await asyncio.to_thread(self._hold.update)

    async def _tell_what_is_held(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._hold.update)
            except errors.DmsError as error:
                log.warning("%s", error)
            await asyncio.sleep(_HOLD_S)

    def _became_unsent(self, file: JournalFile) -> None:
        self._hold.raised()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.cached.events.touched, file.path)


def _replaced(path: str) -> errors.Stale:
    return errors.Stale(f"{path} was replaced by another machine; open it again.")

"""How one file of the journal gets to the service: beside the old one, then in its place.

Nobody sees half of it. The bytes go into a file of another name, are made
durable, and take the old version's place in one step that fails if the old
version is no longer the one these bytes are based on. Then both are kept. What
is about to take its place is recorded first, so that after a lost answer or a
crash it is known again and not taken for another machine's.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import time
from contextlib import suppress

from .. import errors
from ..cache.cached import Cached
from ..model import Conflict, Entry, Kind
from ..paths import MAX_NAME_BYTES, folder_of, join, name_of
from .file import JournalFile
from .journal import Journal
from .records import Sent

log = logging.getLogger(__name__)

PREFIX = ".dms-sending-"
"""How names of files on their way begin; a mount does not show them."""
_PIECE_BYTES = 4 << 20
_UNDISTURBED_TRIES = 2
"""A file that was changed while it was sent so often is copied first."""
_COPIES = 50
_KEPT_SENT = 20


class DisturbedError(Exception):
    """The file was changed or taken back while it was sent; begin again."""


class Sending:
    """Sends files of ``journal`` to the source of ``cached``.

    Args:
        user: named in the name of a conflicting version.
    """

    def __init__(self, cached: Cached, journal: Journal, user: str) -> None:
        self._cached = cached
        self._journal = journal
        self._user = user
        self._ours = f"{PREFIX}{journal.name}-"
        self._mine = f"{self._ours}{secrets.token_hex(2)}-"
        self._left: set[str] = set()

    async def send(self, file: JournalFile) -> None:
        """Have the service take the newest bytes of ``file``.

        Raises:
            DmsError: it did not; the file stays in the journal.
        """
        await self._sweep(folder_of(file.path))
        disturbed = 0
        while file.is_due:
            with suppress(DisturbedError):
                await self._attempt(file, copied=disturbed >= _UNDISTURBED_TRIES)
            disturbed += 1

    async def _attempt(self, file: JournalFile, *, copied: bool) -> None:
        await self._remove_left()
        if file.record.sent and await self._recognised(file):
            await self._cached.commit(file.path)
            return
        edits, path = file.edits, file.path
        temporary = join(folder_of(path), f"{self._mine}{file.record.key}-{secrets.token_hex(4)}")
        file.sent_bytes = 0
        try:
            await self._cached.create(temporary, mode=0o600)
            if copied:
                edits = await self._send_copy(file, temporary)
            else:
                await self._send_bytes(file, temporary, edits)
            entry = await self._complete(file, temporary)
            await self._take_place(file, temporary, entry, path, edits)
        except (errors.DmsError, DisturbedError):
            self._left.add(temporary)
            await self._remove_left()
            raise

    async def _send_bytes(self, file: JournalFile, temporary: str, edits: int) -> None:
        size = file.size
        while file.sent_bytes < size:
            _check_undisturbed(file, edits)
            piece = await asyncio.to_thread(file.read, file.sent_bytes, _PIECE_BYTES)
            _check_undisturbed(file, edits)
            await self._cached.write(temporary, file.sent_bytes, piece)
            file.sent_bytes += len(piece)
            self._cached.events.touched(file.path)

    async def _send_copy(self, file: JournalFile, temporary: str) -> int:
        """Send a file that is written to without a pause; the edits that were sent."""
        copy = file.data.with_suffix(".copy")

        def snapshot() -> int:
            with file.lock:
                shutil.copyfile(file.data, copy)
                return file.edits

        try:
            edits = await asyncio.to_thread(snapshot)
            with copy.open("rb") as source:
                while piece := source.read(_PIECE_BYTES):
                    if file.ended or file.held_back:
                        raise DisturbedError
                    await self._cached.write(temporary, file.sent_bytes, piece)
                    file.sent_bytes += len(piece)
        except OSError as error:
            if file.ended:
                raise DisturbedError from None
            raise errors.NoSpace(
                f"{file.path} changes all the time and cannot be copied to be sent "
                f"({error.strerror}); make room on the disk of the journal."
            ) from None
        finally:
            copy.unlink(missing_ok=True)
        return edits

    async def _complete(self, file: JournalFile, temporary: str) -> Entry:
        """Give the temporary file the attributes, make it durable, and note it as sent."""
        with file.lock:
            if file.ended or file.held_back:
                raise DisturbedError
            mode, mtime_ns = file.record.mode, file.data.stat().st_mtime_ns
        entry = await self._cached.set_attributes(temporary, mode=mode, mtime_ns=mtime_ns)
        await self._cached.commit(temporary)
        return entry

    async def _take_place(
        self, file: JournalFile, temporary: str, entry: Entry, path: str, edits: int
    ) -> None:
        await asyncio.to_thread(self._note, file, entry, edits)
        try:
            if file.record.base is not None:
                try:
                    now = await self._cached.replace(temporary, path, file.record.base.version)
                except errors.NotFound:  # removed by another machine; these bytes are newer
                    now = await self._cached.rename(temporary, path, replace=False)
            else:
                now = await self._cached.rename(temporary, path, replace=False)
        except (errors.Stale, errors.Exists):
            if await self._recognised(file) or await self._is_nothing(file):
                raise DisturbedError from None
            await self._keep_both(file, temporary, path)
            return
        await self._cached.commit(path)
        await asyncio.to_thread(_settled, file, now, edits)

    @staticmethod
    def _note(file: JournalFile, entry: Entry, edits: int) -> None:
        """Record what is about to take its place: from now on a lost answer does no harm."""
        with file.lock:
            if file.ended or file.held_back:
                raise DisturbedError
            known = Sent(id=entry.id, size=entry.size, mtime_ns=entry.mtime_ns)
            file.record.sent = (*file.record.sent, known)[-_KEPT_SENT:]
            if file.edits == edits:
                file.record.changed = False
            file.save()

    async def _recognised(self, file: JournalFile) -> bool:
        """Whether the service has what was sent before; then that is the new base."""
        now: Entry | None = None
        with suppress(errors.NotFound):
            now = await self._cached.refresh(file.path)
        return await asyncio.to_thread(_rebased, file, now)

    async def _is_nothing(self, file: JournalFile) -> bool:
        """Whether what is in the way of a new file is empty: made by a call that was given up."""
        if file.record.base is not None:
            return False
        now = await self._cached.refresh(file.path)
        if now.kind is not Kind.FILE or now.size:
            return False
        await asyncio.to_thread(_based_on, file, now)
        return True

    async def _keep_both(self, file: JournalFile, temporary: str, path: str) -> None:
        """The service's file stays where it is, ours goes beside it."""
        for number in range(1, _COPIES + 1):
            copy = join(folder_of(path), _conflict_name(name_of(path), self._user, number))
            with suppress(errors.Exists):
                await self._cached.rename(temporary, copy, replace=False)
                break
        else:
            raise errors.Exists(f"{path} has {_COPIES} conflicting versions; remove some.")
        await self._cached.commit(copy)
        conflict = Conflict(path=path, copy_path=copy, at_s=self._journal.now())
        await asyncio.to_thread(self._journal.remove, file, conflict)
        log.warning(
            "%s was changed by another machine while it was changed here; "
            "that version stays, and what was written here is %s",
            path,
            copy,
        )
        self._cached.events.touched(path)
        self._cached.events.touched(copy)

    async def _remove_left(self) -> None:
        """Remove what failed attempts left at the service, if it can be reached."""
        for temporary in list(self._left):
            try:
                await self._cached.remove(temporary)
            except errors.NotFound:
                pass
            except errors.DmsError:
                return
            self._left.discard(temporary)

    async def _sweep(self, folder: str) -> None:
        """Once for each folder of files that were found: what the last mount left there."""
        if folder not in self._journal.found_folders:
            return
        with suppress(errors.NotFound, errors.NotAFolder):
            for entry in await self._cached.listing(folder):
                name = name_of(entry.path)
                if name.startswith(self._ours) and not name.startswith(self._mine):
                    self._left.add(entry.path)
        self._journal.found_folders.discard(folder)


def _rebased(file: JournalFile, now: Entry | None) -> bool:
    """Whether ``now`` is something that was sent from here; the file is then based on it."""
    with file.lock:
        if file.ended:
            raise DisturbedError
        record = file.record
        known = next((one for one in record.sent if now is not None and one.is_entry(now)), None)
        if known is None:
            if not record.changed:
                record.changed = True
                file.save()
            return False
        if known != record.sent[-1]:
            record.changed = True
        record.base, record.sent = now, ()
        file.save()
        if not record.changed:
            file.settled_edits = file.edits
        return True


def _based_on(file: JournalFile, now: Entry) -> None:
    with file.lock:
        if file.ended:
            raise DisturbedError
        file.record.base, file.record.changed = now, True
        file.save()


def _settled(file: JournalFile, now: Entry, edits: int) -> None:
    """The service has the bytes of ``edits``; later ones may wait already."""
    with file.lock:
        if file.ended:
            return
        file.record.base, file.record.sent = now, ()
        file.settled_edits = edits
        if file.edits != edits:
            file.record.changed = True
        file.save()


def _check_undisturbed(file: JournalFile, edits: int) -> None:
    if file.ended or file.held_back or file.edits != edits:
        raise DisturbedError


def _conflict_name(name: str, user: str, number: int) -> str:
    """``report (conflict alice 2013-10-24 14.05.12).txt``; number from the second on."""
    stem, dot, suffix = name.rpartition(".")
    if not stem:
        stem, dot, suffix = name, "", ""
    when = time.strftime("%Y-%m-%d %H.%M.%S")
    tail = f" (conflict {user} {when}{f' {number}' if number > 1 else ''}){dot}{suffix}"
    room = MAX_NAME_BYTES - len(os.fsencode(tail))
    return os.fsencode(stem)[: max(room, 1)].decode(errors="ignore") + tail

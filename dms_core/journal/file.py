"""One file of the journal: its unsent bytes on local disk and what is known of their way.

All of the file is here, so that reading it, sending it and keeping it beside a
conflicting version need nothing from elsewhere. Size and time of change are
the data file's own. Methods may be called from any thread.
"""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from .. import errors
from ..model import CacheState, Entry, Kind
from .records import Record, Records


class JournalFile:
    """The unsent file of ``record``, with its bytes at ``data``.

    Args:
        reserve: asked for room before the file grows, told when it shrinks.
        became_unsent: called when a file that was sent is changed again.
    """

    def __init__(
        self,
        record: Record,
        data: Path,
        records: Records,
        reserve: Callable[[int], None],
        became_unsent: Callable[[JournalFile], None],
    ) -> None:
        self.record = record
        self.data = data
        self.lock = threading.RLock()
        self.edits = 0
        """How often it was changed since it was opened here: tells a change during sending."""
        self.ended = False
        """It left the journal: sent, removed or renamed over."""
        self.held_back = False
        """It is not to be sent now: it is being removed or renamed."""
        self.sending = False
        self.sent_bytes = 0
        self.tries = 0
        self.failure: errors.DmsError | None = None
        """Why it could not be sent the last time."""
        self.waiters: list[asyncio.Future[errors.DmsError | None]] = []
        self.wanted_edits = -1
        """The service is to have at least the bytes after so many edits."""
        self.settled_edits = -1
        """The number of edits of the newest bytes that are at the service."""
        self._records = records
        self._reserve = reserve
        self._became_unsent = became_unsent
        self._fd = os.open(data, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.size = os.fstat(self._fd).st_size

    @property
    def path(self) -> str:
        """Where it is in the tree."""
        return self.record.path

    @property
    def is_unsent(self) -> bool:
        """Whether the service may lack something of it."""
        return not self.ended and self.record.is_unsent

    @property
    def is_due(self) -> bool:
        """Whether it is to be sent now."""
        return self.is_unsent and not self.held_back and self.settled_edits < self.wanted_edits

    @property
    def state(self) -> CacheState:
        """Dirty, sending or stuck."""
        if self.is_refused:
            return CacheState.STUCK
        return CacheState.SENDING if self.sending else CacheState.DIRTY

    @property
    def is_refused(self) -> bool:
        """Whether the service did not take it the last time, though it could be reached."""
        return self.failure is not None and not isinstance(self.failure, errors.Unreachable)

    def entry(self) -> Entry:
        """The file as this mount shows it."""
        with self.lock:
            if self.ended:
                raise errors.Stale(f"{self.path} was sent meanwhile; look it up again.")
            info = os.fstat(self._fd)
            return Entry(
                path=self.record.path,
                kind=Kind.FILE,
                id=self.record.id,
                version=f"unsent-{self.record.key}-{self.edits}",
                size=self.size,
                mtime_ns=info.st_mtime_ns,
                mode=self.record.mode,
                writable=True,
            )

    def read(self, offset: int, length: int) -> bytes:
        """Its bytes in that range; fewer only at its end."""
        with self.lock:
            self._check_here()
            parts = []
            while length and (part := os.pread(self._fd, length, offset)):
                parts.append(part)
                offset, length = offset + len(part), length - len(part)
        return b"".join(parts)

    def write(self, offset: int | None, data: bytes) -> None:
        """Put bytes at ``offset``, or at the end; the journal has them when this returns.

        Raises:
            NoSpace: the journal or its disk is full; nothing was changed.
            Stale: it left the journal meanwhile.
        """
        with self.lock:
            self._check_here()
            at = self.size if offset is None else offset
            end = max(at + len(data), self.size)
            self._growing(end)
            self._mark_changed()
            try:
                view = memoryview(data)
                while view:
                    done = os.pwrite(self._fd, view, at)
                    view, at = view[done:], at + done
            except OSError as error:
                self._reserve(self._settle_size() - end)
                raise self._disk_error(error) from None
            self._settle_size()

    def truncate(self, size: int) -> None:
        """Cut or grow to ``size`` bytes; errors as of :meth:`write`."""
        with self.lock:
            self._check_here()
            before = self.size
            self._growing(size)
            self._mark_changed()
            try:
                os.ftruncate(self._fd, size)
            except OSError as error:
                self._reserve(-max(size - before, 0))
                raise self._disk_error(error) from None
            self.size = size
            if size < before:
                self._reserve(size - before)

    def set_attributes(self, mode: int | None, mtime_ns: int | None) -> None:
        """Change what is given."""
        with self.lock:
            self._check_here()
            self._mark_changed()
            if mode is not None:
                self.record.mode = mode & 0o777
                self._records.put(self.record)
            if mtime_ns is not None:
                os.utime(self._fd, ns=(mtime_ns, mtime_ns))

    def sync(self) -> None:
        """Return when its bytes and its name in the journal are on disk."""
        with self.lock:
            if self.ended:
                return
            descriptor = os.dup(self._fd)  # others need not wait for the disk
        try:
            os.fsync(descriptor)
            folder = os.open(self.data.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._disk_error(error) from None
        finally:
            os.close(descriptor)

    def save(self) -> None:
        """Write its record."""
        with self.lock:
            self._records.put(self.record)

    def end(self) -> None:
        """Close and remove the bytes; the record is gone already."""
        with self.lock:
            self.ended = True
            os.close(self._fd)
            self.data.unlink(missing_ok=True)
            self._reserve(-self.size)

    def close(self) -> None:
        """Close the bytes, which stay."""
        with self.lock:
            if not self.ended:
                self.ended = True
                os.close(self._fd)

    def _check_here(self) -> None:
        if self.ended:
            raise errors.Stale(f"{self.record.path} was sent meanwhile; look it up again.")

    def _growing(self, size: int) -> None:
        if size > self.size:
            self._reserve(size - self.size)

    def _mark_changed(self) -> None:
        """Before the bytes change: the record says so, then nobody takes them for sent."""
        self.edits += 1
        if not self.record.changed:
            self.record.changed = True
            self._records.put(self.record)
            self._became_unsent(self)

    def _settle_size(self) -> int:
        self.size = os.fstat(self._fd).st_size
        return self.size

    def _disk_error(self, error: OSError) -> errors.DmsError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return errors.NoSpace(
                f"{self.path} does not fit: the disk of the journal {self.data.parent} is full; "
                "remove something there."
            )
        return errors.DmsError(
            f"The disk of the journal {self.data.parent} failed for {self.path} "
            f"({error.strerror}); tell an operator."
        )

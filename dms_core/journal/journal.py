"""The journal: the folder of unsent files, what room they take, and where each is in the tree.

It is apart from the cache and held by one mount at a time. Nothing leaves it
but by being at the service, or by being removed by the user. It belongs to one
user at one service: what waits there is never sent as somebody else's.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .. import errors
from ..cache.folder import hold
from ..model import CacheState, Conflict, Entry
from ..paths import folder_of, is_within
from .file import JournalFile
from .records import Record, Records

log = logging.getLogger(__name__)

_MIN_FREE_BYTES = 64 << 20
"""What is left free on the journal's disk, for the records themselves."""


class Journal:
    """The unsent files in ``folder``. Methods may be called from any thread.

    Args:
        folder: made with mode 0700 if it is not there.
        limit_bytes: unsent files have so many bytes together at most.
        service: URL of the service these files are for.
        user: whose files they are.

    Raises:
        ConfigError: it is in use, cannot be used, or holds another's unsent files.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        *,
        service: str,
        user: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.became_unsent: Callable[[JournalFile], None] = lambda file: None
        """Called, in any thread, when a file has something to be sent."""
        self._clock = clock
        self._lock = threading.RLock()
        self._files: dict[str, JournalFile] = {}
        self._folders: dict[str, set[str]] = {}
        self._used = 0
        self.found_folders: set[str] = set()
        """Folders of files that the last mount left: some may be half sent."""
        self._held = hold(folder, "journal")
        try:
            self._data = folder / "files"
            self._data.mkdir(mode=0o700, exist_ok=True)
            self.records = Records(folder / "journal.sqlite")
            self.name = self._owned(service, user)
            self._load()
        except BaseException:
            os.close(self._held)
            raise
        self._next_key = self.records.next_key()

    def get(self, path: str) -> JournalFile | None:
        """The file at ``path``, if its newest bytes are here."""
        return self._files.get(path)

    def in_folder(self, path: str) -> list[JournalFile]:
        """The files right in a folder."""
        with self._lock:
            return [self._files[one] for one in self._folders.get(path, ())]

    def below(self, path: str) -> list[JournalFile]:
        """The files at and below ``path``."""
        with self._lock:
            return [file for file in self._files.values() if is_within(file.path, path)]

    def unsent(self, below: str = "/") -> list[JournalFile]:
        """The files of which the service lacks something, oldest first."""
        found = [file for file in self.below(below) if file.is_unsent]
        return sorted(found, key=lambda file: file.record.key)

    def state(self, below: str) -> tuple[CacheState, JournalFile] | None:
        """The state most worth telling of the unsent files below a folder, and one that has it."""
        order = (CacheState.STUCK, CacheState.SENDING, CacheState.DIRTY)
        found = [(file.state, file) for file in self.unsent(below)]
        return min(found, key=lambda pair: order.index(pair[0])) if found else None

    @property
    def used_bytes(self) -> int:
        """The size of all files."""
        return self._used

    def draft(self, path: str, entry_id: str | None, mode: int, base: Entry | None) -> JournalFile:
        """A new, empty file that is not in the journal yet: :meth:`add` or :meth:`discard` it.

        Args:
            path: where it will be in the tree.
            entry_id: the id it is shown with; None: one of its own.
            mode: permission bits.
            base: what is at the service now.
        """
        with self._lock:
            key = self._next_key
            self._next_key += 1
        volume = path.split("/", 2)[1]
        record = Record(
            key=key,
            path=path,
            id=entry_id or f"{volume}:{self.name}-{key}",
            mode=mode,
            base=base,
            sent=(),
            changed=True,
            since_s=self._clock(),
        )
        try:
            return self._open(record)
        except OSError as error:
            raise errors.NoSpace(
                f"{path} cannot be kept: the journal {self.folder} takes no file "
                f"({error.strerror}); make room on its disk."
            ) from None

    def add(self, file: JournalFile) -> None:
        """Take a draft in; its bytes so far are those of its base."""
        with self._lock:
            self.records.put(file.record)
            self._index(file)

    def discard(self, file: JournalFile) -> None:
        """Forget a draft."""
        file.end()

    def remove(self, file: JournalFile, conflict: Conflict | None = None) -> None:
        """Let a file leave: its bytes are elsewhere, or nobody wants them."""
        with file.lock, self._lock:
            if file.ended:
                return
            self.records.remove(file.record, conflict)
            self._unindex(file)
            file.end()

    def move(self, file: JournalFile, to: str, base: Entry | None) -> None:
        """Give a file another path and base; a file of the journal that is there leaves."""
        there = self._files.get(to)
        if there is file:
            there = None
        with file.lock, (there or file).lock, self._lock:
            record = file.record
            before = record.path, record.base, record.sent
            record.path, record.base = to, base
            record.sent = (*record.sent, *(there.record.sent if there else ()))
            try:
                self.records.put(record, instead_of=there.record if there else None)
            except errors.DmsError:
                record.path, record.base, record.sent = before
                raise
            self._unindex(file, before[0])
            if there is not None:
                self._unindex(there)
                there.end()
            self._index(file)

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock()

    def close(self) -> None:
        """Let go of the folder; what is unsent stays in it."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self.records.close()
            os.close(self._held)

    def _owned(self, service: str, user: str) -> str:
        owner = self.records.owner()
        if owner is not None and owner[1:] == (service, user):
            return owner[0]
        waiting = self.records.all()
        if owner is not None and waiting:
            raise errors.ConfigError(
                f"The journal {self.folder} holds {len(waiting)} unsent files of {owner[2]} at "
                f"{owner[1]}; mount as that user there first, or name another in journal.folder."
            )
        return self.records.set_owner(service, user)

    def _load(self) -> None:
        """Take up what the last mount left: it may have been killed at any moment."""
        keys = set()
        for record in self.records.all():
            data = self._data / str(record.key)
            if not record.is_unsent or not data.exists():
                # Sent already; or made in the moment of a power cut, and never accepted.
                self.records.remove(record)
                continue
            keys.add(data.name)
            file = self._open(record)
            self._used += file.size
            self._index(file)
            self.found_folders.add(folder_of(file.path))
        for data in self._data.iterdir():
            if data.name not in keys:
                data.unlink()
        if keys:
            log.info("%d files of the last mount wait to be sent", len(keys))

    def _open(self, record: Record) -> JournalFile:
        return JournalFile(
            record,
            self._data / str(record.key),
            self.records,
            self._reserve,
            lambda file: self.became_unsent(file),
        )

    def _reserve(self, more: int) -> None:
        with self._lock:
            if more > 0:
                if self._used + more > self.limit_bytes:
                    raise errors.NoSpace(
                        f"The journal of unsent files is full ({self._used:,} of "
                        f"{self.limit_bytes:,} bytes); wait until they are sent ('dms queue'), "
                        "or raise journal.limit_gb."
                    )
                disk = os.statvfs(self._data)
                if disk.f_bavail * disk.f_frsize < min(more, 1 << 30) + _MIN_FREE_BYTES:
                    raise errors.NoSpace(
                        f"The disk of the journal {self.folder} is full; remove something there."
                    )
            self._used += more

    def _index(self, file: JournalFile) -> None:
        self._files[file.path] = file
        self._folders.setdefault(folder_of(file.path), set()).add(file.path)

    def _unindex(self, file: JournalFile, path: str | None = None) -> None:
        path = path or file.path
        if self._files.get(path) is file:
            del self._files[path]
            names = self._folders.get(folder_of(path), set())
            names.discard(path)
            if not names:
                self._folders.pop(folder_of(path), None)

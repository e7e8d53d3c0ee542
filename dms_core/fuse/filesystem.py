"""The semantics of the mount on a cached storage. Knows no FUSE library.

Methods are called from many threads, block, end within a deadline and raise
:class:`dms_core.errors.DmsError` only; its ``errno`` is what the caller sees.
What memory and local disk can answer does not enter the event loop.

Reads of a handle are of the version it opened. Writes to homes are in the
journal when they return and at the service after ``fsync`` and ``close``, other
writes go through to the storage. An open always asks the storage for the newest
version (close-to-open) unless the file can never change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from .. import errors
from ..cache.residency import Residency
from ..journal.overlay import Journaled
from ..model import Entry, Kind, Space
from ..paths import parts_of
from .attributes import XATTRS, Owner, attributes, statvfs, xattr
from .bridge import Bridge
from .handles import Handle, Handles

T = TypeVar("T")

_SPACE_AGE_S = 30.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a caller of the mount waits at most, in seconds."""

    ask_s: float = 12.0
    data_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Opened:
    """What the driver needs of an open."""

    number: int
    keep_pages: bool
    """The kernel's pages of this file are still right."""
    permitted: bool = False
    """The right to read it may be withdrawn while it is open."""


class Filesystem:
    """Files and folders of ``tree``, shown as ``owner``'s."""

    def __init__(
        self,
        tree: Journaled,
        residency: Residency,
        bridge: Bridge,
        owner: Owner,
        *,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.owner = owner
        self._tree = tree
        self._residency = residency
        self._bridge = bridge
        self._deadlines = deadlines or Deadlines()
        self._handles = Handles()
        self._spaces: dict[str, tuple[Space, float]] = {}
        self._asking_space: set[str] = set()

    def admits(self, uid: int) -> bool:
        """Whether that user may use this mount at all."""
        return uid in (0, self.owner.uid)

    def permitted_paths(self) -> set[str]:
        """The open files whose reading may be withdrawn."""
        entries = [handle.entry for handle in self._handles.all()]
        return {entry.path for entry in entries if entry.permit_s is not None}

    # What is there ------------------------------------------------------------

    def getattr(self, path: str) -> dict[str, int]:
        """``stat`` of what is at ``path``; times in nanoseconds."""
        return attributes(self._entry(path), self.owner)

    def readdir(self, path: str) -> list[tuple[str, dict[str, int]]]:
        """Names and attributes of a folder, with ``.`` and ``..``."""
        entries = self._tree.known_listing(path)
        if entries is None:
            entries = self._wait(self._tree.listing(path), self._deadlines.data_s)
        below = path.rstrip("/") + "/"
        here = attributes(self._entry(path), self.owner)
        rows = [(one.path.removeprefix(below), attributes(one, self.owner)) for one in entries]
        return [(".", here), ("..", here), *rows]

    def readlink(self, path: str) -> str:
        """Where a link points."""
        entry = self._entry(path)
        if entry.kind is not Kind.LINK or entry.target is None:
            raise errors.BadRequest(f"{path} is no link.")
        return entry.target

    def getxattr(self, path: str, name: str) -> bytes | None:
        """The value of an extended attribute; None if there is none of that name."""
        if name not in XATTRS:
            return None
        return xattr(self._residency.of(self._entry(path)), name)

    def listxattr(self, path: str) -> list[str]:
        """The extended attributes every entry has."""
        self._entry(path)
        return list(XATTRS)

    def statfs(self, path: str) -> dict[str, int]:
        """Room in the volume of ``path`` as last heard; never waits for the network."""
        volume = "/" + path.split("/", 2)[1]
        space, at_s = self._spaces.get(volume, (Space(), float("-inf")))
        if time.monotonic() - at_s > _SPACE_AGE_S and volume not in self._asking_space:
            self._asking_space.add(volume)
            self._bridge.spawn(self._ask_space(volume, path))
        return statvfs(space)

    # Reading and writing ------------------------------------------------------

    def open(self, path: str, flags: int) -> Opened:
        """Open the newest version of an existing file."""
        writing = flags & os.O_ACCMODE != os.O_RDONLY
        known = self._tree.known(path)
        if known is None or not known.immutable:
            known = self._wait(self._tree.refresh(path))
        entry = known
        self._check_file(entry, writing=writing or bool(flags & os.O_TRUNC))
        if flags & os.O_TRUNC and entry.size:
            entry = self._wait(self._tree.truncate(path, 0, opening=True))
        return self._opened(entry, flags)

    def create(self, path: str, mode: int, flags: int) -> Opened:
        """Make a file and open it; one that is there meanwhile is opened as it is.

        The kernel may be wrong about there being none, so the file is made
        exclusively and never emptied by mistake.
        """
        try:
            entry = self._wait(self._tree.create(path, mode=mode & 0o777, exclusive=True))
        except errors.Exists:
            if flags & os.O_EXCL:
                raise
            return self.open(path, flags)
        return self._opened(entry, flags)

    def read(self, path: str, number: int, offset: int, length: int) -> bytes:
        """Bytes of the version the handle has open; shorter only at its end."""
        handle = self._handle(number, path)
        entry = self._at(handle, path)
        data = self._tree.read_now(entry, offset, length)
        if data is not None:
            return data
        for _ in range(_TRIES):
            wanted = max(min(length, entry.size - offset), 0)
            try:
                if not wanted and not entry.writable:
                    return b""
                return self._wait(self._tree.read(entry, offset, length), self._deadlines.data_s)
            except errors.Stale:
                if not entry.writable:
                    raise
            entry = self._newest(handle, path)
        raise errors.Stale(f"{path} changes faster than it can be read; try again.")

    def write(
        self, path: str, number: int, data: bytes, offset: int, *, mapped: bool = False
    ) -> int:
        """Put bytes into a file; how many that was.

        The kernel serialises the writes of a file. A handle opened to append
        writes at the end as the storage knows it, except that pages of a
        memory map (``mapped``) belong where they are.
        """
        handle = self._handle(number, path)
        at = None if handle.append and not mapped else offset
        entry = self._tree.write_now(handle.entry, path, at, data)
        if entry is None:
            entry = self._wait(
                self._tree.write(handle.entry, path, at, data), self._deadlines.data_s
            )
        handle.entry = entry
        self._spread(path, entry)
        return len(data)

    def truncate(self, path: str, size: int) -> None:
        """Cut or grow a file."""
        entry = self._entry(path)
        self._check_file(entry, writing=True)
        cut = self._tree.truncate(path, size)
        self._spread(path, self._wait(cut, self._deadlines.data_s))

    def fsync(self, path: str) -> None:
        """Return when what was written would survive a power cut.

        In a home: of this machine, and while the service can be reached of the
        storage too; elsewhere of the storage.
        """
        if self._entry(path).writable:
            self._spread(path, self._wait(self._tree.commit(path), self._deadlines.data_s))

    def flush(self, number: int) -> None:
        """One of the descriptors of a handle is being closed: others may see now what it wrote."""
        handle = self._handles.get(number)
        if handle is not None and handle.writing:
            self._wait(self._tree.flush(handle.entry.path), self._deadlines.data_s)

    def release(self, number: int) -> None:
        """Forget a handle: its last descriptor was closed."""
        handle = self._handles.remove(number)
        if handle is not None and handle.held is not None:
            wrote = handle.entry.path if handle.writing else None
            self._tree.closed(handle.held, wrote=wrote)

    # Changing the tree --------------------------------------------------------

    def mkdir(self, path: str, mode: int) -> None:
        """Make a folder."""
        self._wait(self._tree.make_folder(path, mode=mode & 0o777))

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        if self._entry(path).kind is Kind.FOLDER:
            raise errors.IsAFolder(f"{path} is a folder.")
        self._wait(self._tree.remove(path), self._deadlines.data_s)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        if self._entry(path).kind is not Kind.FOLDER:
            raise errors.NotAFolder(f"{path} is no folder.")
        self._wait(self._tree.remove(path))

    def rename(self, path: str, to: str, *, replace: bool = True) -> None:
        """Move within a volume; atomically replaces what is at ``to`` unless told otherwise."""
        if parts_of(path)[0] != parts_of(to)[0]:
            raise errors.CrossVolume(f"{to} is in another volume than {path}; copy it instead.")
        entry = self._wait(self._tree.rename(path, to, replace=replace), self._deadlines.data_s)
        for handle in self._handles.all():
            if handle.entry.path == path:
                handle.entry = entry

    def chmod(self, path: str, mode: int) -> None:
        """Set the permission bits."""
        entry = self._wait(self._tree.set_attributes(path, mode=mode & 0o777))
        self._spread(path, entry)

    def chown(self, path: str, uid: int, gid: int) -> None:
        """Refused unless it says what is so already; -1 leaves as it is."""
        self._entry(path)
        if uid not in (-1, self.owner.uid) or gid not in (-1, self.owner.gid):
            raise errors.NotPermitted(f"The owner of {path} is decided by its volume.")

    def utimens(self, path: str, mtime_ns: int | None) -> None:
        """Set the time of the last change; None leaves it. Access times are not kept."""
        if mtime_ns is not None:
            entry = self._wait(self._tree.set_attributes(path, mtime_ns=mtime_ns))
            self._spread(path, entry)

    # --------------------------------------------------------------------------

    def _wait(self, work: Coroutine[Any, Any, T], deadline_s: float | None = None) -> T:
        return self._bridge.call(work, deadline_s or self._deadlines.ask_s)

    def _entry(self, path: str) -> Entry:
        return self._tree.known(path) or self._wait(self._tree.lookup(path))

    def _check_file(self, entry: Entry, *, writing: bool) -> None:
        if entry.kind is Kind.FOLDER:
            raise errors.IsAFolder(f"{entry.path} is a folder.")
        if writing and not entry.writable:
            raise errors.ReadOnly(f"{entry.path} is read-only; copy it to your home to change it.")

    def _opened(self, entry: Entry, flags: int) -> Opened:
        writing = flags & os.O_ACCMODE != os.O_RDONLY or bool(flags & os.O_TRUNC)
        handle = Handle(entry, append=bool(flags & os.O_APPEND), writing=writing, held=entry)
        self._tree.opened(entry, writing=writing)
        return Opened(
            self._handles.add(handle),
            self._handles.same_as_before(entry),
            permitted=entry.permit_s is not None,
        )

    def _handle(self, number: int, path: str) -> Handle:
        handle = self._handles.get(number)
        if handle is None:
            raise errors.BadRequest(f"{path} is not open.")
        return handle

    @staticmethod
    def _at(handle: Handle, path: str) -> Entry:
        """The handle's entry at the path the kernel knows it by now."""
        if handle.entry.path != path:
            handle.entry = handle.entry.model_copy(update={"path": path})
        return handle.entry

    def _newest(self, handle: Handle, path: str) -> Entry:
        """The same file in its newest version, for a handle on a writable file."""
        entry = self._wait(self._tree.refresh(path))
        if entry.id != handle.entry.id:
            raise errors.Stale(f"{path} was replaced by another file; open it again.")
        handle.entry = entry
        return entry

    def _spread(self, path: str, entry: Entry) -> None:
        """Let all handles of a file see what one of them did to it."""
        for handle in self._handles.all():
            if handle.entry.path == path and handle.entry.id == entry.id:
                handle.entry = entry

    async def _ask_space(self, volume: str, path: str) -> None:
        try:
            self._spaces[volume] = (await self._tree.space(path), time.monotonic())
        except errors.DmsError:
            known = self._spaces.get(volume, (Space(), 0.0))[0]
            self._spaces[volume] = (known, time.monotonic())
        finally:
            self._asking_space.discard(volume)

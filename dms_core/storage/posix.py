"""A folder of this host (or of a file system mounted on it) as a storage.

Links are shown, never followed: a path is walked folder by folder with
``O_NOFOLLOW``, so nothing outside the root can be reached, also not by a race,
and the path that was judged is the path that is opened. Devices, sockets and
pipes do not appear. Names that are not UTF-8 are left out and counted.

Blocking calls run in a thread pool of bounded size; each ends by a deadline.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .. import errors
from ..model import Entry, Kind, Page, Space
from ..paths import join, name_of, parts_of
from . import beneath
from .base import PAGE_ENTRIES, WritableStorage
from .listing import Listings

_T = TypeVar("_T")


class PosixOptions(BaseModel):
    """What a posix storage is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(description="absolute path of the root")
    read_only: bool = Field(default=False, description="an archive: no changes, ever")
    threads: int = Field(default=8, ge=1, le=256, description="blocking calls at the same time")
    timeout_s: float = Field(default=30, gt=0, description="deadline of one call")


class PosixStorage(WritableStorage):
    """Files below ``folder``.

    An entry's ``id`` is its device and inode number; its ``version`` is inode,
    size, modification and change time, so any write changes it. ``read_only``
    refuses changes and declares the files immutable.

    Raises:
        ConfigError: ``folder`` is not a folder that can be entered.
    """

    Options: ClassVar[type[BaseModel]] = PosixOptions

    def __init__(
        self,
        folder: Path | str,
        *,
        read_only: bool = False,
        threads: int = 8,
        timeout_s: float = 30,
    ) -> None:
        root = Path(folder)
        if not root.is_absolute():
            raise errors.ConfigError(f"The folder {root} is relative; give the path from '/'.")
        if not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
            raise errors.ConfigError(
                f"The folder {root} does not exist or cannot be read; make it or correct 'folder'."
            )
        self.writable = not read_only
        self.immutable = read_only
        self._root = os.fspath(root)
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"posix:{root.name}")
        self._listings = Listings()

    @property
    def skipped_names(self) -> int:
        """How often a name was left out of a listing because it is not UTF-8."""
        return self._listings.skipped_names

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`; links are not followed."""
        return await self._run(self._lookup, path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`; the cursor is the last name of the page before."""
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        return await self._run(self._scan, path, cursor, limit)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        if offset < 0 or length < 0:
            raise errors.BadRequest("Offset and length of a read cannot be negative.")
        return await self._run(self._read, entry, offset, length)

    async def space(self, path: str) -> Space:
        """Room on the file system that holds ``path``."""
        return await self._run(self._space, path)

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        return await self._change(self._create, path, mode, exclusive)

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        return await self._change(self._make_folder, path, mode)

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        if offset < 0:
            raise errors.BadRequest("The offset of a write cannot be negative.")
        return await self._change(self._write, path, offset, data)

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        if size < 0:
            raise errors.BadRequest("A file cannot have a negative size.")
        return await self._change(self._truncate, path, size)

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`; its name in its folder is durable too."""
        return await self._change(self._commit, path)

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        return await self._change(self._rename, path, to, replace)

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        await self._change(self._remove, path)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`; a link has none to change."""
        return await self._change(self._set_attributes, path, mode, mtime_ns)

    async def close(self) -> None:
        """Take no further calls; those that run end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _change(self, call: Callable[..., _T], path: str, *args: object) -> _T:
        if not self.writable:
            raise errors.ReadOnly(f"{path} is in a read-only storage; write elsewhere.")
        return await self._run(call, path, *args)

    async def _run(self, call: Callable[..., _T], *args: object) -> _T:
        """Run a blocking ``call`` in the pool and turn ``OSError`` into ours."""
        subject = args[0].path if isinstance(args[0], Entry) else str(args[0])
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await loop.run_in_executor(self._threads, call, *args)
        except TimeoutError:
            raise errors.TimedOut(
                f"The storage of {subject} did not answer within {self._timeout_s:g} s; try again."
            ) from None
        except OSError as error:
            raise beneath.told(error, subject) from None

    # Below, everything runs in a thread of the pool and may raise OSError.

    def _lookup(self, path: str) -> Entry:
        with beneath.folder(self._root, parts_of(path)[:-1]) as fd:
            return self._entry_in(fd, path)

    def _entry_in(self, folder_fd: int, path: str) -> Entry:
        name = name_of(path) or "."
        info = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        target = None
        if stat.S_ISLNK(info.st_mode):
            target = os.fsencode(os.readlink(name, dir_fd=folder_fd)).decode(errors="replace")
        return self._entry(path, info, target)

    def _entry(self, path: str, info: os.stat_result, target: str | None = None) -> Entry:
        kind = beneath.kind_of(info)
        if kind is None:
            raise errors.NotFound(f"{path} is not a file, folder or link; the DMS shows no others.")
        return Entry(
            path=path,
            kind=kind,
            id=beneath.id_of(info),
            version=beneath.version_of(info),
            size=0 if stat.S_ISDIR(info.st_mode) else info.st_size,
            mtime_ns=info.st_mtime_ns,
            mode=stat.S_IMODE(info.st_mode) & 0o777,
            writable=self.writable,
            immutable=self.immutable and stat.S_ISREG(info.st_mode),
            target=target,
        )

    def _scan(self, path: str, cursor: str | None, limit: int) -> Page:
        with beneath.folder(self._root, parts_of(path)) as fd:
            names = self._listings.names(fd, cursor)
            entries: list[Entry] = []
            for position, name in enumerate(names):
                if len(entries) == limit:
                    return Page(entries=tuple(entries), cursor=names[position - 1])
                # Gone since it was listed, or of a kind that is not shown.
                with suppress(FileNotFoundError, errors.NotFound):
                    entries.append(self._entry_in(fd, join(path, name)))
        return Page(entries=tuple(entries))

    def _read(self, entry: Entry, offset: int, length: int) -> bytes:
        try:
            with beneath.file(self._root, parts_of(entry.path), os.O_RDONLY) as fd:
                self._check_same(entry, os.fstat(fd))
                data = beneath.pread(fd, offset, length)
                # Bytes that changed while they were read belong to no version.
                self._check_same(entry, os.fstat(fd))
                return data
        except (FileNotFoundError, NotADirectoryError):
            raise errors.Stale(f"{entry.path} is gone; look it up again.") from None

    @staticmethod
    def _check_same(entry: Entry, info: os.stat_result) -> None:
        if beneath.version_of(info) != entry.version or beneath.id_of(info) != entry.id:
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")

    def _space(self, path: str) -> Space:
        with beneath.folder(self._root, parts_of(path)[:-1]) as fd:
            self._entry_in(fd, path)
            room = os.fstatvfs(fd)
        return Space(total=room.f_blocks * room.f_frsize, free=room.f_bavail * room.f_frsize)

    def _create(self, path: str, mode: int, exclusive: bool) -> Entry:
        with beneath.folder(self._root, beneath.named(path)[:-1]) as folder_fd:
            name = beneath.named(path)[-1]
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder_fd)
            except FileExistsError:
                if exclusive:
                    raise
                return self._truncate(path, 0)
            try:
                os.fchmod(fd, mode & 0o777)
                return self._entry(path, os.fstat(fd))
            finally:
                os.close(fd)

    def _make_folder(self, path: str, mode: int) -> Entry:
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            os.mkdir(parts[-1], 0o700, dir_fd=fd)
            beneath.set_mode(parts[-1], fd, mode & 0o777)
            return self._entry_in(fd, path)

    def _write(self, path: str, offset: int, data: bytes) -> Entry:
        with beneath.file(self._root, beneath.named(path), os.O_WRONLY) as fd:
            before = os.fstat(fd)
            beneath.pwrite(fd, offset, data)
            return self._changed(path, fd, before)

    def _truncate(self, path: str, size: int) -> Entry:
        with beneath.file(self._root, beneath.named(path), os.O_WRONLY) as fd:
            before = os.fstat(fd)
            os.ftruncate(fd, size)
            return self._changed(path, fd, before)

    def _changed(self, path: str, fd: int, before: os.stat_result) -> Entry:
        """The entry after a change, with another version than before.

        File systems stamp times by the clock tick: two writes within one would
        look the same, so the second moves the time by a nanosecond.
        """
        after = os.fstat(fd)
        if beneath.version_of(after) == beneath.version_of(before):
            os.utime(fd, ns=(after.st_atime_ns, after.st_mtime_ns + 1))
            after = os.fstat(fd)
        return self._entry(path, after)

    def _commit(self, path: str) -> Entry:
        with beneath.folder(self._root, parts_of(path)[:-1]) as fd:
            entry = self._entry_in(fd, path)
            if entry.kind is not Kind.LINK:
                beneath.sync(name_of(path) or ".", fd)
            beneath.sync(".", fd)
            return entry

    def _rename(self, path: str, to: str, replace: bool) -> Entry:
        old, new = beneath.named(path), beneath.named(to)
        with (
            beneath.folder(self._root, old[:-1]) as old_fd,
            beneath.folder(self._root, new[:-1]) as new_fd,
        ):
            try:
                if replace:
                    os.rename(old[-1], new[-1], src_dir_fd=old_fd, dst_dir_fd=new_fd)
                else:
                    beneath.rename_new(old_fd, old[-1], new_fd, new[-1])
            except OSError as error:
                in_the_way = (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR)
                raise beneath.told(error, to if error.errno in in_the_way else path) from None
            return self._entry_in(new_fd, to)

    def _remove(self, path: str) -> None:
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            info = os.stat(parts[-1], dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                os.rmdir(parts[-1], dir_fd=fd)
            else:
                os.unlink(parts[-1], dir_fd=fd)

    def _set_attributes(self, path: str, mode: int | None, mtime_ns: int | None) -> Entry:
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            if mode is not None:
                beneath.set_mode(parts[-1], fd, mode & 0o777)
            if mtime_ns is not None:
                beneath.set_mtime(parts[-1], fd, mtime_ns)
            return self._entry_in(fd, path)

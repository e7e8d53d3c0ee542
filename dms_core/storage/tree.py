"""The blocking calls of the posix storage: one folder of this host and what is below.

Each call walks its path anew, folder by folder and never through a link (see
:mod:`dms_core.storage.beneath`), and raises ``OSError`` or one of ours.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress

from .. import errors
from ..model import Entry, Kind, Page, Space
from ..paths import join, name_of, parts_of
from . import beneath
from .listing import Listings


class Tree:
    """What is below ``root``.

    Args:
        root: An absolute path, opened anew by each call: it may be mounted over.
        read_only: Entries are not writable; settled files are immutable.
        settle_s: A file is settled when it was not changed for so long; 0: at once.
    """

    def __init__(self, root: str, *, read_only: bool, settle_s: float) -> None:
        self.listings = Listings()
        self._root = root
        self._read_only = read_only
        self._settle_s = settle_s

    def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`."""
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
            writable=not self._read_only,
            immutable=self._is_settled(info),
            target=target,
        )

    def _is_settled(self, info: os.stat_result) -> bool:
        if not self._read_only or not stat.S_ISREG(info.st_mode):
            return False
        return not self._settle_s or time.time() - info.st_mtime > self._settle_s

    def scan(self, path: str, cursor: str | None, limit: int) -> Page:
        """See :meth:`Storage.scan`; the cursor is a name."""
        with beneath.folder(self._root, parts_of(path)) as fd:
            names = self.listings.names(fd, cursor)
            entries: list[Entry] = []
            for position, name in enumerate(names):
                if len(entries) == limit:
                    return Page(entries=tuple(entries), cursor=names[position - 1])
                # Gone since it was listed, or of a kind that is not shown.
                with suppress(FileNotFoundError, errors.NotFound):
                    entries.append(self._entry_in(fd, join(path, name)))
        return Page(entries=tuple(entries))

    def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        try:
            with beneath.file(self._root, parts_of(entry.path), os.O_RDONLY) as fd:
                info = os.fstat(fd)
                self._check_same(entry, info)
                data = beneath.pread(fd, offset, max(0, min(length, info.st_size - offset)))
                # Bytes that changed while they were read belong to no version.
                self._check_same(entry, os.fstat(fd))
                return data
        except (FileNotFoundError, NotADirectoryError):
            raise errors.Stale(f"{entry.path} is gone; look it up again.") from None

    @staticmethod
    def _check_same(entry: Entry, info: os.stat_result) -> None:
        if beneath.version_of(info) != entry.version or beneath.id_of(info) != entry.id:
            raise errors.Stale(f"{entry.path} changed since it was looked up; look it up again.")

    def space(self, path: str) -> Space:
        """See :meth:`Storage.space`."""
        with beneath.folder(self._root, parts_of(path)[:-1]) as fd:
            self._entry_in(fd, path)
            room = os.fstatvfs(fd)
        return Space(total=room.f_blocks * room.f_frsize, free=room.f_bavail * room.f_frsize)

    def create(self, path: str, mode: int, exclusive: bool) -> Entry:
        """See :meth:`WritableStorage.create`."""
        with beneath.folder(self._root, beneath.named(path)[:-1]) as folder_fd:
            name = beneath.named(path)[-1]
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                fd = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder_fd)
            except FileExistsError:
                if exclusive:
                    raise
                return self.truncate(path, 0)
            try:
                os.fchmod(fd, mode & 0o777)
                return self._entry(path, os.fstat(fd))
            finally:
                os.close(fd)

    def make_folder(self, path: str, mode: int) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            os.mkdir(parts[-1], 0o700, dir_fd=fd)
            beneath.set_mode(parts[-1], fd, mode & 0o777)
            return self._entry_in(fd, path)

    def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        with beneath.file(self._root, beneath.named(path), os.O_WRONLY) as fd:
            before = os.fstat(fd)
            beneath.pwrite(fd, offset, data)
            return self._changed(path, fd, before)

    def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
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

    def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`."""
        with beneath.folder(self._root, parts_of(path)[:-1]) as fd:
            entry = self._entry_in(fd, path)
            if entry.kind is not Kind.LINK:
                beneath.sync(name_of(path) or ".", fd)
            beneath.sync(".", fd)
            return entry

    def rename(self, path: str, to: str, replace: bool) -> Entry:
        """See :meth:`WritableStorage.rename`."""
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

    def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`.

        The two files change places, so that what was replaced can be looked at
        afterwards: if it is not the version that was meant, they change back.
        """
        old, new = beneath.named(path), beneath.named(to)
        with (
            beneath.folder(self._root, old[:-1]) as old_fd,
            beneath.folder(self._root, new[:-1]) as new_fd,
        ):
            before = os.stat(new[-1], dir_fd=new_fd, follow_symlinks=False)
            if not stat.S_ISREG(before.st_mode) or beneath.version_of(before) != version:
                raise errors.Stale(f"{to} changed since it was looked up; look it up again.")
            try:
                beneath.rename_exchange(old_fd, old[-1], new_fd, new[-1])
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise beneath.told(error, path if error.errno == errno.ENOENT else to) from None
                os.rename(old[-1], new[-1], src_dir_fd=old_fd, dst_dir_fd=new_fd)
                return self._entry_in(new_fd, to)
            replaced = os.stat(old[-1], dir_fd=old_fd, follow_symlinks=False)
            if beneath.bytes_of(replaced) != beneath.bytes_of(before):
                beneath.rename_exchange(old_fd, old[-1], new_fd, new[-1])
                raise errors.Stale(f"{to} changed since it was looked up; look it up again.")
            os.unlink(old[-1], dir_fd=old_fd)
            return self._entry_in(new_fd, to)

    def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            info = os.stat(parts[-1], dir_fd=fd, follow_symlinks=False)
            if stat.S_ISDIR(info.st_mode):
                os.rmdir(parts[-1], dir_fd=fd)
            else:
                os.unlink(parts[-1], dir_fd=fd)

    def set_attributes(self, path: str, mode: int | None, mtime_ns: int | None) -> Entry:
        """See :meth:`WritableStorage.set_attributes`."""
        parts = beneath.named(path)
        with beneath.folder(self._root, parts[:-1]) as fd:
            if mode is not None:
                beneath.set_mode(parts[-1], fd, mode & 0o777)
            if mtime_ns is not None:
                beneath.set_mtime(parts[-1], fd, mtime_ns)
            return self._entry_in(fd, path)

"""System calls below a root, relative to folders that were walked without links.

Everything blocks and raises ``OSError``; :func:`told` turns that into one of
:mod:`dms_core.errors`. Linux only (``O_PATH``, ``renameat2``, ``/proc``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import errors
from ..model import Kind
from ..paths import parts_of

_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def folder(root: str, parts: Sequence[str]) -> Iterator[int]:
    """An ``O_PATH`` descriptor of the folder ``parts`` below ``root``."""
    try:
        fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # all of it is away, not one path
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN)) from None
    try:
        for part in parts:
            below = os.open(part, _WALK, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)


@contextmanager
def file(root: str, parts: Sequence[str], flags: int) -> Iterator[int]:
    """A descriptor of the regular file ``parts`` below ``root``.

    Raises:
        IsAFolder: it is a folder.
        Unsupported: it is a link, device, socket or pipe.
    """
    if not parts:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    with folder(root, parts[:-1]) as folder_fd:
        # O_NONBLOCK: opening a pipe must not wait for its other end.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(parts[-1], flags, dir_fd=folder_fd)
        except PermissionError:
            fd = _open_own(parts[-1], flags, folder_fd)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        yield fd
    finally:
        os.close(fd)


def _open_own(name: str, flags: int, folder_fd: int) -> int:
    """Open what is this process's own but has no permission bit for it.

    A program may make a file ``0444`` and fill it: it holds it open. The calls
    of a storage come one by one, so its owner gets in for the time of opening.
    """
    with _by_proc(name, folder_fd) as path:
        info = path.stat()
        if info.st_uid != os.geteuid() or not stat.S_ISREG(info.st_mode):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        path.chmod(stat.S_IMODE(info.st_mode) | 0o600)
        try:
            return os.open(name, flags, dir_fd=folder_fd)
        finally:
            path.chmod(stat.S_IMODE(info.st_mode))


def named(path: str) -> list[str]:
    """The parts of a path that is not the root, which nobody may change."""
    parts = parts_of(path)
    if not parts:
        raise errors.BadRequest("The root of a storage cannot be changed; name an entry in it.")
    return parts


def kind_of(info: os.stat_result) -> Kind | None:
    """What it is; None for what the DMS does not show."""
    return {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.LINK}.get(
        stat.S_IFMT(info.st_mode)
    )


def id_of(info: os.stat_result) -> str:
    """Device and inode: outlives renames."""
    return f"{info.st_dev:x}:{info.st_ino:x}"


def version_of(info: os.stat_result) -> str:
    """Changes with every change of the bytes, also one that sets the time back."""
    return f"{info.st_ino:x}-{info.st_size:x}-{info.st_mtime_ns:x}-{info.st_ctime_ns:x}"


def bytes_of(info: os.stat_result) -> tuple[int, int, int]:
    """As :func:`version_of`, without the time that a rename changes."""
    return info.st_ino, info.st_size, info.st_mtime_ns


def pread(fd: int, offset: int, length: int) -> bytes:
    """``length`` bytes at ``offset``, fewer only at the end of the file."""
    data = os.pread(fd, length, offset)
    if len(data) == length or not data:
        return data
    pieces = [data]
    missing = length - len(data)
    while missing and (data := os.pread(fd, missing, offset + length - missing)):
        pieces.append(data)
        missing -= len(data)
    return b"".join(pieces)


def pwrite(fd: int, offset: int, data: bytes) -> None:
    """All of ``data`` at ``offset``."""
    view = memoryview(data)
    while view:
        done = os.pwrite(fd, view, offset)
        view = view[done:]
        offset += done


def sync(name: str, folder_fd: int) -> None:
    """Make ``name``'s bytes (of a folder: its names) durable."""
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def _by_proc(name: str, folder_fd: int) -> Iterator[Path]:
    """A path to exactly this file or folder, whatever its permissions and its name do."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        if stat.S_ISLNK(os.fstat(fd).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def set_mode(name: str, folder_fd: int, mode: int) -> None:
    """Set the permission bits."""
    with _by_proc(name, folder_fd) as path:
        path.chmod(mode)


def set_mtime(name: str, folder_fd: int, mtime_ns: int) -> None:
    """Set the modification time; the access time with it."""
    with _by_proc(name, folder_fd) as path:
        os.utime(path, ns=(mtime_ns, mtime_ns))


def rename_new(old_fd: int, old: str, new_fd: int, new: str) -> None:
    """Rename, atomically refusing to replace anything."""
    _renameat2(old_fd, old, new_fd, new, _RENAME_NOREPLACE)


def rename_exchange(old_fd: int, old: str, new_fd: int, new: str) -> None:
    """Have two entries change places, in one step; EINVAL where the file system cannot."""
    _renameat2(old_fd, old, new_fd, new, _RENAME_EXCHANGE)


def _renameat2(old_fd: int, old: str, new_fd: int, new: str, flags: int) -> None:
    if _LIBC.renameat2(old_fd, os.fsencode(old), new_fd, os.fsencode(new), flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_TOLD: dict[int, tuple[type[errors.DmsError], str]] = {
    errno.ENOENT: (errors.NotFound, "does not exist; check the path"),
    errno.ENOTDIR: (errors.NotAFolder, "is or lies below something that is not a folder"),
    errno.EISDIR: (errors.IsAFolder, "is a folder; name a file"),
    errno.EEXIST: (errors.Exists, "exists already; choose another name"),
    errno.ENOTEMPTY: (errors.NotEmpty, "is not empty; remove what is in it first"),
    errno.EXDEV: (errors.CrossVolume, "cannot be moved to another file system; copy it"),
    errno.EACCES: (errors.NotAllowed, "may not be touched by the service; correct its permissions"),
    errno.EPERM: (errors.NotAllowed, "may not be touched by the service; correct its permissions"),
    errno.EROFS: (errors.ReadOnly, "is on a read-only file system; write elsewhere"),
    errno.ENOSPC: (errors.NoSpace, "does not fit, its file system is full; remove something"),
    errno.EDQUOT: (errors.NoSpace, "does not fit, its quota is used up; remove something"),
    errno.EFBIG: (errors.NoSpace, "would be larger than its file system allows"),
    errno.EINVAL: (errors.BadRequest, "cannot be changed in this way"),
    errno.ENAMETOOLONG: (errors.BadRequest, "is too long a name for its file system; shorten it"),
    errno.EOVERFLOW: (errors.BadRequest, "has no such offset"),
    errno.ELOOP: (errors.Unsupported, "is a link, and links are not followed here; use its target"),
    errno.ENXIO: (errors.Unsupported, "is not a file, folder or link; the DMS serves no others"),
    errno.ESTALE: (errors.Stale, "changed on its server; look it up again"),
    errno.ETIMEDOUT: (errors.TimedOut, "did not answer in time; try again"),
    errno.EHOSTDOWN: (errors.Unreachable, "is on a file server that is down; try again"),
    errno.EHOSTUNREACH: (errors.Unreachable, "is on a file server that is away; try again"),
    errno.ENOTCONN: (errors.Unreachable, "is on a mount that lost its server; try again"),
}


def told(error: OSError, path: str) -> errors.DmsError:
    """``error`` about ``path`` as one of ours."""
    if error.errno in _TOLD:
        cls, sentence = _TOLD[error.errno]
        return cls(f"{path} {sentence}.")
    return errors.DmsError(f"The storage of {path} failed ({error.strerror}); tell its operator.")

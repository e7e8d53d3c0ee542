"""The driver over the fusepy API: ``mfusepy`` on libfuse 3, else ``fusepy`` on libfuse 2.

The only file that imports a FUSE library. The two libraries call the same
operations with the same arguments; where they differ or would do harm
(exchanging renames, times to leave alone, names one of them cannot encode,
exceptions they turn into a random errno) it is settled here, once.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import ConfigError, DmsError, NotPermitted
from ..paths import MAX_NAME_BYTES, name_of
from .filesystem import Filesystem, Opened

log = logging.getLogger(__name__)

Name = Literal["mfusepy", "fusepy"]

_MODULES: dict[Name, tuple[str, tuple[str, ...]]] = {
    "mfusepy": ("mfusepy", ("libfuse3.so.4", "libfuse3.so.3")),
    "fusepy": ("fuse", ("libfuse.so.2",)),
}
_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2
_RENAME_NOREPLACE = 1
_KERNEL_TIMEOUT_S = 1
_REQUESTS = 64  # of the kernel at once: some may wait for the network, the rest go on

R = TypeVar("R")


class Driver:
    """One of the two libraries, ready to mount.

    Raises:
        ConfigError: the library, or the libfuse it needs, is not installed.
    """

    def __init__(self, name: Name) -> None:
        self.name = name
        self._fuse: int | None = None
        self._alive = threading.Lock()
        module, libraries = _MODULES[name]
        found = next((library for library in libraries if _loadable(library)), None)
        if found is None:
            raise ConfigError(f"{libraries[-1]} is missing; run: apt-get install {_package(name)}.")
        before = os.environ.get("FUSE_LIBRARY_PATH")
        os.environ["FUSE_LIBRARY_PATH"] = found  # saves both a search that runs a program
        try:
            self._module: Any = importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(f"{name} is not installed; run: pip install {name}.") from error
        finally:
            if before is None:
                del os.environ["FUSE_LIBRARY_PATH"]
            else:
                os.environ["FUSE_LIBRARY_PATH"] = before

    def run(self, filesystem: Filesystem, mountpoint: Path, mounted: Callable[[], None]) -> None:
        """Mount, call ``mounted``, serve until a signal or an unmount.

        Belongs on the main thread, with the default actions of SIGTERM and
        SIGINT: libfuse then ends the mount at either.

        Raises:
            ConfigError: it could not be mounted.
        """
        stood = False

        def stands() -> None:
            nonlocal stood
            stood = True
            if self.name == "mfusepy":
                self._fuse = self._module._libfuse.fuse_get_context().contents.fuse
            mounted()

        operations = _Callable if self.name == "fusepy" else _Operations
        fuse = self._module.FUSE
        if self.name == "mfusepy":
            fuse = type("FUSE", (fuse,), {"rename_fuse_3": _rename_with_flags})
        try:
            fuse(
                operations(filesystem, self._module.fuse_get_context, stands, self._ended),
                str(mountpoint),
                raw_fi=True,
                **self._options(),
            )
        except RuntimeError as error:
            if not stood:  # later, libfuse 3 counts an end by a signal as a failure too
                raise ConfigError(
                    f"{mountpoint} could not be mounted by {self.name} (status {error}); "
                    "the line above is libfuse's reason."
                ) from None

    def forget_pages(self, path: str) -> None:
        """Have the kernel drop what it keeps of a file's bytes, in memory maps too.

        Nothing to do with libfuse 2: it cannot, so there the kernel keeps no
        pages of files whose reading may be withdrawn. Blocks; not for the
        threads that answer the kernel.
        """
        with self._alive:
            if self._fuse is not None:
                forget = self._module._libfuse.fuse_invalidate_path
                forget(ctypes.c_void_p(self._fuse), path.encode("utf-8", "surrogateescape"))

    def _ended(self) -> None:
        with self._alive:
            self._fuse = None

    def _options(self) -> dict[str, object]:
        options: dict[str, object] = {
            "foreground": True,
            "default_permissions": True,
            "use_ino": True,
            "attr_timeout": _KERNEL_TIMEOUT_S,
            "entry_timeout": _KERNEL_TIMEOUT_S,
            "fsname": "dms",
            "subtype": "dms",
        }
        if os.geteuid() == 0:
            options["allow_other"] = True
        if self.name == "fusepy":
            options |= {"big_writes": True, "max_background": _REQUESTS}
        elif self._version() >= (3, 12):
            options |= {"max_threads": _REQUESTS, "max_idle_threads": _REQUESTS}
        return options

    def _version(self) -> tuple[int, int]:
        return self._module.fuse_version_major, self._module.fuse_version_minor


def choose(wanted: Literal["auto", "mfusepy", "fusepy"]) -> Driver:
    """The driver asked for; ``auto`` takes ``mfusepy`` if it works, else ``fusepy``.

    Raises:
        ConfigError: it, or for ``auto`` both, are not installed.
    """
    if wanted != "auto":
        return Driver(wanted)
    try:
        return Driver("mfusepy")
    except ConfigError as first:
        try:
            return Driver("fusepy")
        except ConfigError:
            raise first from None


def _package(name: Name) -> str:
    return "fuse3" if name == "mfusepy" else "libfuse2"


def _loadable(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _answered(operation: Callable[..., R]) -> Callable[..., R]:
    """Whatever happens in ``operation``, answer with its result or a meant errno."""

    @functools.wraps(operation)
    def answered(*args: Any) -> R:
        try:
            return operation(*args)
        except DmsError as error:
            raise OSError(error.errno, str(error)) from None
        except OSError:
            raise
        except BaseException as error:
            log.exception("%s failed", operation.__name__)
            raise OSError(errno.EIO, repr(error)) from None

    return answered


def _entered(operation: Callable[..., R]) -> Callable[..., R]:
    """As :func:`_answered`, and refused to users who may not enter the mount.

    Not for what needs an open file: that was checked when it was opened, and
    the kernel's own reads and writes come under other user ids.
    """

    @functools.wraps(operation)
    def entered(self: _Operations, *args: Any) -> R:
        if not self.is_admitted():
            raise OSError(errno.EACCES, "this mount is another user's")
        if len(name_of(args[0]).encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES:
            raise OSError(errno.ENAMETOOLONG, "names have 255 bytes at most")
        return operation(self, *args)

    return _answered(entered)


class _Operations:
    """What both libraries call. ``fi`` is the kernel's record of an open file.

    Only operations may be attributes here without an underscore: the libraries
    take any attribute of an operation's name for one.
    """

    use_ns = True
    flag_utime_omit_ok = 1

    def __init__(
        self,
        filesystem: Filesystem,
        context: Callable[[], tuple[int, int, int]],
        mounted: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._filesystem = filesystem
        self._context = context
        self._mounted = mounted
        self._ended = ended

    def is_admitted(self) -> bool:
        """Whether the calling process's user may use this mount."""
        return self._filesystem.admits(self._context()[0])

    def init(self, _path: str) -> None:
        self._mounted()

    def init_with_config(self, conn: Any, config: Any) -> None:
        if config is not None:  # libfuse 3; with 2 it is an option
            conn.max_background = _REQUESTS
        self._mounted()

    def destroy(self, _path: str) -> None:
        self._ended()

    @_entered
    def getattr(self, path: str, fi: Any = None) -> dict[str, int]:
        return self._filesystem.getattr(path)

    @_entered
    def readlink(self, path: str) -> str:
        return self._filesystem.readlink(path)

    @_entered
    def opendir(self, path: str) -> int:
        return 0

    @_entered
    def readdir(self, path: str, fi: Any) -> Iterator[tuple[str, dict[str, int], int]]:
        return iter([(name, stat, 0) for name, stat in self._filesystem.readdir(path)])

    @_entered
    def getxattr(self, path: str, name: str) -> bytes:
        value = self._filesystem.getxattr(path, name)
        if value is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return value

    @_entered
    def listxattr(self, path: str) -> list[str]:
        return self._filesystem.listxattr(path)

    @_entered
    def statfs(self, path: str) -> dict[str, int]:
        return self._filesystem.statfs(path)

    @_entered
    def open(self, path: str, fi: Any) -> int:
        return self._opened(self._filesystem.open(path, fi.flags), fi)

    @_entered
    def create(self, path: str, mode: int, fi: Any) -> int:
        return self._opened(self._filesystem.create(path, mode, fi.flags), fi)

    @staticmethod
    def _opened(opened: Opened, fi: Any) -> int:
        fi.fh = opened.number
        fi.keep_cache = int(opened.keep_pages)
        return 0

    @_answered
    def read(self, path: str, size: int, offset: int, fi: Any) -> bytes:
        return self._filesystem.read(path, fi.fh, offset, size)

    @_answered
    def write(self, path: str, data: bytes, offset: int, fi: Any) -> int:
        mapped = bool(fi.writepage)
        return self._filesystem.write(path, fi.fh, data, offset, mapped=mapped)

    @_answered
    def fsync(self, path: str, datasync: int, fi: Any) -> int:
        self._filesystem.fsync(path)
        return 0

    @_answered
    def flush(self, path: str, fi: Any) -> int:
        self._filesystem.flush(fi.fh)
        return 0

    @_answered
    def release(self, path: str, fi: Any) -> int:
        self._filesystem.release(fi.fh)
        return 0

    @_entered
    def truncate(self, path: str, length: int, fi: Any = None) -> int:
        self._filesystem.truncate(path, length)
        return 0

    @_entered
    def mkdir(self, path: str, mode: int) -> int:
        self._filesystem.mkdir(path, mode)
        return 0

    @_entered
    def unlink(self, path: str) -> int:
        self._filesystem.unlink(path)
        return 0

    @_entered
    def rmdir(self, path: str) -> int:
        self._filesystem.rmdir(path)
        return 0

    @_entered
    def rename(self, path: str, to: str, flags: int = 0) -> int:
        if flags & ~_RENAME_NOREPLACE:
            raise OSError(errno.EINVAL, "only plain and no-replace renames are done")
        self._filesystem.rename(path, to, replace=not flags & _RENAME_NOREPLACE)
        return 0

    @_entered
    def chmod(self, path: str, mode: int) -> int:
        self._filesystem.chmod(path, mode)
        return 0

    @_entered
    def chown(self, path: str, uid: int, gid: int) -> int:
        self._filesystem.chown(path, uid, gid)
        return 0

    @_entered
    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        mtime_ns = _UTIME_NOW if times is None else int(times[1])
        self._filesystem.utimens(path, _time_of(mtime_ns))
        return 0

    @_entered
    def symlink(self, path: str, target: str) -> int:
        raise NotPermitted(f"Links cannot be made in this mount ({path}).")

    @_entered
    def link(self, path: str, target: str) -> int:
        raise NotPermitted(f"Links cannot be made in this mount ({path}).")

    @_entered
    def mknod(self, path: str, mode: int, device: int) -> int:
        raise NotPermitted(f"Special files cannot be made in this mount ({path}).")


class _Callable(_Operations):
    """The form ``fusepy`` wants: called with an operation's name."""

    def __call__(self, operation: str, *args: Any) -> Any:
        return getattr(self, operation)(*args)

    @staticmethod
    def _opened(opened: Opened, fi: Any) -> int:
        """Libfuse 2 does not have the kernel ask before it serves pages: it gets none to keep."""
        fi.direct_io = int(opened.permitted)
        return _Operations._opened(opened, fi)

    @_entered
    def readdir(self, path: str, fi: Any) -> Iterator[tuple[str, dict[str, int], int]]:
        """One name that is not UTF-8 would fail the whole listing: it is left out."""
        rows = self._filesystem.readdir(path)
        return iter([(name, stat, 0) for name, stat in rows if _encodable(name)])


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _time_of(mtime_ns: int) -> int | None:
    """Nanoseconds of a time argument; None for "leave it"."""
    if mtime_ns == _UTIME_OMIT:
        return None
    return time.time_ns() if mtime_ns == _UTIME_NOW else mtime_ns


def _rename_with_flags(fuse: Any, old: bytes, new: bytes, flags: int) -> int:
    """``mfusepy``'s own drops the flags, and an exchange would then lose a file."""
    decode = functools.partial(bytes.decode, encoding=fuse.encoding, errors=fuse.errors)
    return int(fuse.operations.rename(decode(old), decode(new), flags))

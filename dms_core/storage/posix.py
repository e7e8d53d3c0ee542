"""A folder of this host (or of a file system mounted on it) as a storage.

Links are shown, never followed: a path is walked folder by folder with
``O_NOFOLLOW``, so nothing outside the root can be reached, also not by a race,
and the path that was judged is the path that is opened. Devices, sockets and
pipes do not appear. Names that are not UTF-8 are left out and counted.

Blocking calls run in a thread pool of bounded size; each ends by a deadline.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from .. import errors
from ..model import Entry, Page, Space
from . import beneath
from .base import PAGE_ENTRIES, WritableStorage
from .tree import Tree

MAX_FILE_BYTES = (1 << 63) - 1

_T = TypeVar("_T")


class PosixOptions(BaseModel):
    """What a posix storage is configured with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(description="absolute path of the root")
    read_only: bool = Field(default=False, description="an archive: no changes, ever")
    settle_s: float = Field(
        default=0, ge=0, description="of an archive: a file that was not changed so long is closed"
    )
    threads: int = Field(default=8, ge=1, le=256, description="blocking calls at the same time")
    timeout_s: float = Field(default=30, gt=0, description="deadline of one call")


class PosixStorage(WritableStorage):
    """Files below ``folder``.

    An entry's ``id`` is its device and inode number; its ``version`` is inode,
    size, modification and change time, so any write changes it. ``read_only``
    refuses changes and declares the files immutable: all of them, or with
    ``settle_s`` those that were not changed for so long, where instruments
    still write to the newest.

    Raises:
        ConfigError: ``folder`` is not a folder that can be entered.
    """

    Options: ClassVar[type[BaseModel]] = PosixOptions

    def __init__(
        self,
        folder: Path | str,
        *,
        read_only: bool = False,
        settle_s: float = 0,
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
        self.immutable = read_only and not settle_s
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"posix:{root.name}")
        self._tree = Tree(os.fspath(root), read_only=read_only, settle_s=settle_s)

    @property
    def skipped_names(self) -> int:
        """How often a name was left out of a listing because it is not UTF-8."""
        return self._tree.listings.skipped_names

    async def lookup(self, path: str) -> Entry:
        """See :meth:`Storage.lookup`; links are not followed."""
        return await self._run(self._tree.lookup, path)

    async def scan(
        self, path: str, *, cursor: str | None = None, limit: int = PAGE_ENTRIES
    ) -> Page:
        """See :meth:`Storage.scan`; the cursor is the last name of the page before."""
        if limit < 1:
            raise errors.BadRequest(f"A page of {limit} entries is none; ask for 1 or more.")
        return await self._run(self._tree.scan, path, cursor, limit)

    async def read(self, entry: Entry, offset: int, length: int) -> bytes:
        """See :meth:`Storage.read`."""
        _check_offset(offset)
        if length < 0:
            raise errors.BadRequest("The length of a read cannot be negative.")
        return await self._run(self._tree.read, entry, offset, length)

    async def space(self, path: str) -> Space:
        """Room on the file system that holds ``path``."""
        return await self._run(self._tree.space, path)

    async def create(self, path: str, *, mode: int = 0o644, exclusive: bool = False) -> Entry:
        """See :meth:`WritableStorage.create`."""
        return await self._change(self._tree.create, path, mode, exclusive)

    async def make_folder(self, path: str, *, mode: int = 0o755) -> Entry:
        """See :meth:`WritableStorage.make_folder`."""
        return await self._change(self._tree.make_folder, path, mode)

    async def write(self, path: str, offset: int, data: bytes) -> Entry:
        """See :meth:`WritableStorage.write`."""
        _check_offset(offset)
        return await self._change(self._tree.write, path, offset, data)

    async def truncate(self, path: str, size: int) -> Entry:
        """See :meth:`WritableStorage.truncate`."""
        _check_offset(size)
        return await self._change(self._tree.truncate, path, size)

    async def commit(self, path: str) -> Entry:
        """See :meth:`WritableStorage.commit`; its name in its folder is durable too."""
        return await self._change(self._tree.commit, path)

    async def rename(self, path: str, to: str, *, replace: bool = True) -> Entry:
        """See :meth:`WritableStorage.rename`."""
        return await self._change(self._tree.rename, path, to, replace)

    async def replace(self, path: str, to: str, version: str) -> Entry:
        """See :meth:`WritableStorage.replace`; of two at once, one is told it did not work."""
        return await self._change(self._tree.replace, path, to, version)

    async def remove(self, path: str) -> None:
        """See :meth:`WritableStorage.remove`."""
        await self._change(self._tree.remove, path)

    async def set_attributes(
        self, path: str, *, mode: int | None = None, mtime_ns: int | None = None
    ) -> Entry:
        """See :meth:`WritableStorage.set_attributes`; a link has none to change."""
        return await self._change(self._tree.set_attributes, path, mode, mtime_ns)

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


def _check_offset(offset: int) -> None:
    if not 0 <= offset <= MAX_FILE_BYTES:
        raise errors.BadRequest(f"A file has no byte {offset}; give one from 0 to 2^63 - 1.")

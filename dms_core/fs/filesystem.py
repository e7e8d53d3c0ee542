"""``dms://`` as fsspec wants it: :mod:`.reading`, and changes where they are allowed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from posixpath import dirname
from typing import Any

from fsspec.asyn import sync  # type: ignore[import-untyped]
from fsspec.callbacks import DEFAULT_CALLBACK  # type: ignore[import-untyped]

from .. import errors, paths
from ..model import Entry, Kind
from .reading import AT_ONCE, Reading
from .told import told
from .upload import PIECE_BYTES, Upload, send


class DmsFileSystem(Reading):
    """One service, or this machine's mount, as an fsspec file system.

    A file that is written appears when all of it is there, never before. For
    the arguments see :class:`.reading.Reading`.
    """

    async def upload(self, path: str, *, exclusive: bool = False) -> Upload:
        """A new file that appears at ``path`` when all of it is there."""
        with told():
            path = self._strip_protocol(path)
            storage = await self.storage()
            try:
                return await Upload.begin(storage, path, exclusive=exclusive)
            except errors.NotFound:
                await self._made(dirname(path))
                return await Upload.begin(storage, path, exclusive=exclusive)

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        upload = await self.upload(path, exclusive=mode == "create")
        with told():
            await send(upload, iter([bytes(value)]))

    async def _put_file(
        self,
        lpath: str,
        rpath: str,
        mode: str = "overwrite",
        callback: Any = DEFAULT_CALLBACK,
        **_: Any,
    ) -> None:
        source = Path(lpath)
        if await asyncio.to_thread(source.is_dir):
            await self._makedirs(rpath, exist_ok=True)
            return
        file = await asyncio.to_thread(source.open, "rb")
        with file:
            callback.set_size(os.fstat(file.fileno()).st_size)
            upload = await self.upload(rpath, exclusive=mode == "create")
            with told():
                pieces = iter(lambda: file.read(PIECE_BYTES), b"")
                await send(upload, pieces, callback.relative_update)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        with told():
            entry = await self.entry(path1)
        if entry.kind is Kind.FOLDER:
            await self._makedirs(path2, exist_ok=True)
            return
        upload = await self.upload(path2)
        with told():
            await self._copied(entry, upload)

    async def _copied(self, entry: Entry, upload: Upload) -> None:
        async with upload:
            for start in range(0, entry.size, PIECE_BYTES):
                await upload.add(await self.read_entry(entry, start, start + PIECE_BYTES))
            await upload.finish()

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        path = self._strip_protocol(path)
        with told():
            storage = await self.storage()
            if create_parents:
                await self._made(dirname(path))
            await storage.make_folder(path)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = self._strip_protocol(path)
        with told():
            await self._made(dirname(path))
            try:
                await (await self.storage()).make_folder(path)
            except errors.Exists:
                if not exist_ok or (await self.entry(path)).kind is not Kind.FOLDER:
                    raise

    async def _made(self, path: str) -> None:
        """Have the folder at ``path``, and those above it."""
        try:
            if (await self.entry(path)).kind is not Kind.FOLDER:
                raise errors.NotAFolder(f"{path} is a file; choose another folder.")
        except errors.NotFound:
            await self._made(dirname(path))
            try:
                await (await self.storage()).make_folder(path)
            except errors.Exists:
                return  # made by another meanwhile

    async def _rm_file(self, path: str, **_: Any) -> None:
        path = self._strip_protocol(path)
        with told():
            storage = await self.storage()
            if (await storage.lookup(path)).kind is Kind.FOLDER:
                raise errors.IsAFolder(f"{path} is a folder; remove it with recursive=True.")
            await storage.remove(path)

    async def _rm(
        self,
        path: Any,
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **_: Any,
    ) -> None:
        """Remove files, then their folders from the deepest up."""
        found = await self._expand_path(path, recursive=recursive, maxdepth=maxdepth)
        with told():
            storage = await self.storage()
            kinds = {one: (await storage.lookup(one)).kind for one in found}
            files = [one for one in found if kinds[one] is not Kind.FOLDER]
            folders = [one for one in found if kinds[one] is Kind.FOLDER]
            if folders and not recursive:
                raise errors.IsAFolder(f"{folders[0]} is a folder; remove it with recursive=True.")
            await _side_by_side(storage.remove, files, batch_size or AT_ONCE)
            for folder in sorted(folders, key=lambda one: one.count("/"), reverse=True):
                await storage.remove(folder)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        sync(self.loop, self._rmdir, path)

    async def _rmdir(self, path: str) -> None:
        path = self._strip_protocol(path)
        with told():
            storage = await self.storage()
            if (await storage.lookup(path)).kind is not Kind.FOLDER:
                raise errors.NotAFolder(f"{path} is a file; remove it with rm.")
            await storage.remove(path)

    def mv(self, path1: str, path2: str, recursive: bool = False, **options: Any) -> None:
        """Move; within a volume at once and whole, else by a copy."""
        sync(self.loop, self._mv, path1, path2, recursive=recursive, **options)

    async def _mv(self, path1: str, path2: str, recursive: bool = False, **options: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        if path2.endswith("/") or await self._isdir(target):
            target = paths.join(target, paths.name_of(source))
        try:
            with told():
                storage = await self.storage()
                await self._made(dirname(target))
                await storage.rename(source, target)
        except OSError as error:
            if not isinstance(error.__cause__, errors.CrossVolume):
                raise
            await self._copy(source, target, recursive=recursive, on_error="raise", **options)
            await self._rm(source, recursive=recursive)


async def _side_by_side(
    do: Callable[[str], Coroutine[Any, Any, None]], items: list[str], at_once: int
) -> None:
    turn = asyncio.Semaphore(at_once)

    async def one(item: str) -> None:
        async with turn:
            await do(item)

    await asyncio.gather(*map(one, items))

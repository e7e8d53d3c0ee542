"""The half of ``dms://`` that looks and reads; :mod:`.filesystem` adds the changes."""

from __future__ import annotations

import asyncio
import os
import weakref
from datetime import UTC, datetime
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, ClassVar
from urllib.parse import urlsplit

from fsspec.asyn import AsyncFileSystem, sync  # type: ignore[import-untyped]
from fsspec.callbacks import DEFAULT_CALLBACK  # type: ignore[import-untyped]

from .. import errors, paths
from ..client.mount import MountClient
from ..model import Entry, Kind
from ..storage.base import WritableStorage
from ..storage.posix import PosixStorage
from ..storage.remote import RemoteStorage
from .entries import info_of, span_of
from .file import DmsFile
from .place import LocalMount, place_of
from .told import told
from .upload import PIECE_BYTES

AT_ONCE = 8
"""Ranges that are read at the same time."""

MOST_LINKS = 8
"""Links that are followed from one to the next."""


class Reading(AsyncFileSystem):  # type: ignore[misc]
    """One service, or this machine's mount, to be read through fsspec.

    Paths are those of the tree, ``/archive/…``. Errors are ``OSError`` with the
    DMS's sentence.

    Args:
        host: ``HOST[:PORT]`` of a service, as in the URL; empty: the session's.
        url: Its URL instead, where it is more than a host.
        token: A user's token.
        token_file: A file that holds it; else ``DMS_TOKEN_FILE``.
        socket: Use the mount with this control socket.
        timeout_s: Deadline of one call.
        **options: fsspec's own.
    """

    protocol: ClassVar[str] = "dms"
    root_marker: ClassVar[str] = "/"
    cachable = True

    def __init__(
        self,
        host: str = "",
        *,
        url: str = "",
        token: str = "",
        token_file: str | Path = "",
        socket: str | Path = "",
        timeout_s: float = 30,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._host = host
        with told():
            self._place = place_of(
                host,
                os.environ,
                url=url,
                token=token,
                token_file=os.path.expanduser(token_file),  # noqa: PTH111 - keeps "" as it is
                socket=socket,
            )
        self._timeout_s = timeout_s
        self._opened: WritableStorage | None = None

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """The tree path of a URL; one without a scheme is taken as it is."""
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        path = os.fspath(path)
        if path.startswith("dms://"):
            path = path[len("dms://") :].partition("/")[2]
        return "/" + path.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        host = urlsplit(path).netloc if path.startswith("dms://") else ""
        return {"host": host} if host else {}

    def unstrip_protocol(self, name: str) -> str:
        """The URL of a path."""
        return f"dms://{self._host}{self._strip_protocol(name)}"

    # Looking

    async def storage(self) -> WritableStorage:
        """The tree behind this file system; opened when it is first needed."""
        if self._opened is None:
            if isinstance(self._place, LocalMount):
                async with MountClient(self._place.socket) as mount:
                    folder = (await mount.info()).mountpoint
                self._opened = PosixStorage(folder, timeout_s=self._timeout_s)
            else:
                given = self._place
                self._opened = RemoteStorage(
                    given.url,
                    (lambda: given.token) if given.token else None,
                    token_file=given.token_file,
                    timeout_s=self._timeout_s,
                )
            if not self.asynchronous:
                weakref.finalize(self, _close, self.loop, self._opened)
        return self._opened

    async def entry(self, path: str) -> Entry:
        """What is at ``path``; where that is a link, what it leads to."""
        storage = await self.storage()
        path = self._strip_protocol(path)
        for _ in range(MOST_LINKS):
            entry = await storage.lookup(path)
            if entry.kind is not Kind.LINK or not entry.target:
                return entry
            path = normpath(join(dirname(entry.path), entry.target))
        raise errors.NotFound(f"{path} leads from link to link; name the file itself.")

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        with told():
            try:
                entry = await self.entry(path)
            except errors.NotAFolder as error:
                raise errors.NotFound(str(error)) from error
            return {**info_of(entry), "name": self._strip_protocol(path)}

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        with told():
            entry = await self.entry(path)
            if entry.kind is not Kind.FOLDER:
                found = [{**info_of(entry), "name": self._strip_protocol(path)}]
            else:
                found = await self._scanned(self._strip_protocol(path), entry)
        return found if detail else [info["name"] for info in found]

    async def _scanned(self, path: str, folder: Entry) -> list[dict[str, Any]]:
        storage = await self.storage()
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await storage.scan(folder.path, cursor=cursor)
            for each in page.entries:
                info = info_of(each)
                if each.kind is Kind.LINK:
                    info |= await self._link_info(each)
                found.append({**info, "name": paths.join(path, paths.name_of(each.path))})
            if (cursor := page.cursor) is None:
                return found

    async def _link_info(self, link: Entry) -> dict[str, Any]:
        """A link to a file is shown as that file; to a folder as a link, that walks may end."""
        try:
            target = await self.entry(link.path)
        except errors.DmsError:
            return {}
        return {"size": target.size, "type": "file"} if target.kind is Kind.FILE else {}

    def close(self) -> None:
        """End its connections; a later call makes new ones."""
        if self._opened is not None:
            opened, self._opened = self._opened, None
            sync(self.loop, opened.close)

    def modified(self, path: str) -> datetime:
        """When the bytes were last changed."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    # Reading

    async def read_entry(self, entry: Entry, start: int, end: int) -> bytes:
        """Bytes ``[start, end)`` of this version, several pieces at a time."""
        storage = await self.storage()
        end = min(end, entry.size)
        turn = asyncio.Semaphore(AT_ONCE)

        async def piece(offset: int) -> bytes:
            async with turn:
                return await storage.read(entry, offset, min(PIECE_BYTES, end - offset))

        with told():
            if entry.kind is Kind.FOLDER:
                raise errors.IsAFolder(f"{entry.path} is a folder; name a file.")
            if end - start <= PIECE_BYTES:
                return await storage.read(entry, start, max(end - start, 0))
            return b"".join(await asyncio.gather(*map(piece, range(start, end, PIECE_BYTES))))

    async def _cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **_: Any
    ) -> bytes:
        with told():
            entry = await self.entry(path)
        return await self.read_entry(entry, *span_of(entry, start, end))

    async def _cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        batch_size: int | None = None,
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Many ranges: each file is looked up once, the ranges are read side by side."""
        if not isinstance(paths, list):
            raise TypeError("paths must be a list")
        starts = starts if isinstance(starts, (list, tuple)) else [starts] * len(paths)
        ends = ends if isinstance(ends, (list, tuple)) else [ends] * len(paths)
        if not len(paths) == len(starts) == len(ends):
            raise ValueError("paths, starts and ends must be equally many")
        turn = asyncio.Semaphore(batch_size or AT_ONCE)
        looked_up: dict[str, asyncio.Task[Entry]] = {}

        async def one(path: str, start: int | None, end: int | None) -> bytes:
            if path not in looked_up:
                looked_up[path] = asyncio.ensure_future(self.entry(path))
            with told():
                entry = await looked_up[path]
            async with turn:
                return await self.read_entry(entry, *span_of(entry, start, end))

        tasks = [one(*wanted) for wanted in zip(paths, starts, ends, strict=True)]
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        failed = next((one for one in answers if isinstance(one, BaseException)), None)
        if failed is not None and on_error == "raise":
            raise failed
        return list(answers)

    async def _get_file(
        self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        """Download; the local file appears when it is whole."""
        with told():
            entry = await self.entry(rpath)
        target = Path(lpath)
        folder = target if entry.kind is Kind.FOLDER else target.parent
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        if folder is target:
            return
        callback.set_size(entry.size)
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with await asyncio.to_thread(part.open, "wb") as out:
                step = AT_ONCE * PIECE_BYTES
                for start in range(0, entry.size, step):
                    data = await self.read_entry(entry, start, start + step)
                    await asyncio.to_thread(out.write, data)
                    callback.relative_update(len(data))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        cache_type: str = "blockcache",
        **options: Any,
    ) -> DmsFile:
        return DmsFile(
            self,
            path,
            mode,
            block_size or DmsFile.DEFAULT_BLOCK_SIZE,
            autocommit=autocommit,
            cache_type=cache_type,
            cache_options=cache_options,
            **options,
        )


def _close(loop: asyncio.AbstractEventLoop, storage: WritableStorage) -> None:
    """End the connections of a file system that nobody has any more."""
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(storage.close(), loop)

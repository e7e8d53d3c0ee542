"""Writing a whole file so that it appears at once: beside its place, then moved there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Self

from .. import errors
from ..model import Kind
from ..paths import folder_of, join, name_of
from ..storage.base import WritableStorage

PIECE_BYTES = 8 << 20
"""Bytes that are read or written in one call."""

_LONGEST_NAME = 200  # of a part, which is longer than its file's


class Upload:
    """A file on its way to ``path``; used as ``with``, which drops it unless it is finished."""

    def __init__(self, storage: WritableStorage, path: str, part: str, *, exclusive: bool) -> None:
        self.path = path
        self.size = 0
        self._storage = storage
        self._part = part
        self._exclusive = exclusive

    @classmethod
    async def begin(cls, storage: WritableStorage, path: str, *, exclusive: bool) -> Self:
        """Begin a new file.

        Args:
            storage: Where to.
            path: What it will be.
            exclusive: Whether it is an error if there is one already.

        Raises:
            NotFound: the folder does not exist.
            Exists, IsAFolder: ``path`` is taken.
        """
        mode = 0o644
        try:
            there = await storage.lookup(path)
        except errors.NotFound:
            pass
        else:
            if there.kind is Kind.FOLDER:
                raise errors.IsAFolder(f"{path} is a folder; choose another name.")
            if exclusive:
                raise errors.Exists(f"{path} exists already; choose another name.")
            mode = there.mode
        name = f".{name_of(path)[: _LONGEST_NAME // 4]}.{secrets.token_hex(4)}.part"
        part = join(folder_of(path), name)
        upload = cls(storage, path, part, exclusive=exclusive)
        with upload.named():
            await storage.create(part, mode=mode, exclusive=True)
        return upload

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors of the body are about the file, not about its part, of which nobody knows."""
        try:
            yield
        except errors.DmsError as error:
            raise type(error)(str(error).replace(self._part or self.path, self.path)) from error

    async def add(self, data: bytes) -> None:
        """Append ``data``."""
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            with self.named():
                await self._storage.write(self._part, self.size, piece)
            self.size += len(piece)

    async def finish(self) -> None:
        """Make it durable and put it in its place.

        Raises:
            Exists: another took the place meanwhile, and this one was to be new.
        """
        with self.named():
            await self._storage.commit(self._part)
            await self._storage.rename(self._part, self.path, replace=not self._exclusive)
        self._part = ""

    async def drop(self) -> None:
        """Remove what is there of it."""
        part, self._part = self._part, ""
        if part:
            with suppress(errors.DmsError):  # the error that led here is the one to tell
                await self._storage.remove(part)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()


async def send(
    upload: Upload, pieces: Iterator[bytes], sent: Callable[[int], object] = lambda _: None
) -> None:
    """Write all ``pieces``, which are taken in a thread, and finish; else leave nothing."""
    async with upload:
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await upload.add(piece)
            sent(len(piece))
        await upload.finish()

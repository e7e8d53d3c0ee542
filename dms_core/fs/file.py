"""A file of ``dms://``: read through a cache of blocks in memory, or written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec.asyn import sync  # type: ignore[import-untyped]
from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]

from .told import told
from .upload import Upload

if TYPE_CHECKING:
    from .reading import Reading

BLOCK_BYTES = 1 << 20
"""A block of the cache; HDF5 reads its tree in small pieces all over the file."""

LONG_BLOCKS = 8
"""A read of more blocks than this goes past the cache, in parallel pieces."""


class DmsFile(AbstractBufferedFile):  # type: ignore[misc]
    """What ``open`` of a :class:`dms_core.fs.DmsFileSystem` gives: ``rb``, ``wb``, ``xb``, ``ab``.

    Reading is of the version that was there when it was opened. What is
    written is in its place when the file was closed, and not before; with
    ``ab`` it is added to the file as it comes.
    """

    DEFAULT_BLOCK_SIZE = BLOCK_BYTES
    fetched_bytes = 0
    """What was read so far from the service or mount, through the cache or past it."""

    def __init__(self, fs: Reading, path: str, mode: str = "rb", *args: Any, **options: Any):
        self._upload: Upload | None = None
        if mode == "rb":
            self._entry = self._of(fs, path)
            options["size"] = self._entry.size
        elif mode in ("wb", "xb"):  # what may not be written is told now, not at the end
            self._upload = sync(fs.loop, fs.upload, path, exclusive=mode == "xb")
        super().__init__(fs, path, mode, *args, **options)

    @staticmethod
    def _of(fs: Reading, path: str) -> Any:
        with told():
            entry = sync(fs.loop, fs.entry, path)
        if entry.kind == "folder":
            raise IsADirectoryError(f"{path} is a folder; name a file.")
        return entry

    def read(self, length: int | None = -1) -> bytes:
        """Bytes from here on; all of them without a length."""
        wanted = self.size - self.loc if length is None or length < 0 else length
        if self.mode == "rb" and not self.closed and wanted > LONG_BLOCKS * self.blocksize:
            found: bytes = self._fetch_range(self.loc, self.loc + wanted)
            self.loc += len(found)
            return found
        return super().read(length)  # type: ignore[no-any-return]

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = sync(self.fs.loop, self.fs.read_entry, self._entry, start, end)
        self.fetched_bytes += len(found)
        return found

    def _initiate_upload(self) -> None:
        if self.mode == "ab":
            sync(self.fs.loop, self._begin_append)

    async def _begin_append(self) -> None:
        with told():
            storage = await self.fs.storage()
            if not await self.fs._exists(self.path):
                await storage.create(self.path)
            self._end = (await self.fs.entry(self.path)).size

    def _upload_chunk(self, final: bool = False) -> bool:
        data = self.buffer.getvalue()
        try:
            if self._upload is None:
                sync(self.fs.loop, self._append, data, final)
            else:
                sync(self.fs.loop, self._write, data, final and self.autocommit)
        except BaseException:
            self.discard()
            raise
        return True

    async def _append(self, data: bytes, final: bool) -> None:
        with told():
            storage = await self.fs.storage()
            if data:
                await storage.write(self.path, self._end, data)
                self._end += len(data)
            if final:
                await storage.commit(self.path)

    async def _write(self, data: bytes, finish: bool) -> None:
        assert self._upload is not None  # noqa: S101 - begun by the first flush
        with told():
            await self._upload.add(data)
            if finish:
                await self._upload.finish()

    def __exit__(self, kind: object, *rest: object) -> None:
        """Close; what the body did not write to its end is dropped."""
        if kind is not None and self._upload is not None:
            self.discard()
            self.closed = True
        self.close()

    def commit(self) -> None:
        """Put a file that was written with ``autocommit=False`` in its place."""
        if self._upload is not None:
            sync(self.fs.loop, self._write, b"", True)

    def discard(self) -> None:
        """Leave nothing of a file that was not finished."""
        if self._upload is not None:
            sync(self.fs.loop, self._upload.drop)

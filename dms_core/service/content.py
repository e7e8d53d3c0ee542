"""``/content/PATH``: the bytes of files, by range and version.

Large ranges are streamed in pieces, so memory holds one piece per request. A
file that changes while it is streamed ends the connection early: the caller
sees fewer bytes than ``Content-Length`` and takes none of them.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from tornado.iostream import StreamClosedError

from ..errors import BadRequest, DmsError, IsAFolder, Stale
from ..model import Entry, Kind
from .handler import Handler, log, phrase
from .ranges import UnsatisfiableRangeError, span_of

PIECE_BYTES = 1 << 20
STALLED_S = 60
"""A caller that takes no byte for so long is given up."""


class ContentHandler(Handler):
    """Read a range, create or empty a file, write at an offset."""

    async def head(self, path: str) -> None:
        """Size and version."""
        entry = await self._file(path)
        self._announce(entry)
        self.set_header("Content-Length", str(entry.size))
        await self.finish()

    async def get(self, path: str) -> None:
        """The bytes of ``Range`` if the version is ``If-Match``'s."""
        entry = await self._file(path)
        self._announce(entry)
        try:
            span = span_of(self.request.headers.get("Range"), entry.size)
        except UnsatisfiableRangeError:
            self.set_header("Content-Range", f"bytes */{entry.size}")
            self.tell(phrase(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE))
            return
        offset, length = span or (0, entry.size)
        piece = await self.tree.read(entry, offset, min(length, PIECE_BYTES))
        if span is not None:
            self.set_status(HTTPStatus.PARTIAL_CONTENT)
            self.set_header("Content-Range", f"bytes {offset}-{offset + length - 1}/{entry.size}")
        self.set_header("Content-Length", str(length))
        if len(piece) == length:
            await self.finish(piece)
        else:
            await self._stream(entry, offset, length, piece)

    async def put(self, path: str) -> None:
        """Make an empty file with ``?mode=`` (octal), or empty it unless ``?exclusive``."""
        if self.request.body:
            raise BadRequest("PUT makes an empty file; send its bytes with PATCH ?offset=.")
        entry = await self.tree.create(
            path,
            mode=self.number("mode", 0o644, base=8),
            exclusive=self.get_query_argument("exclusive", None) is not None,
        )
        self.answer(entry, HTTPStatus.CREATED)

    async def patch(self, path: str) -> None:
        """Put the body at ``?offset=``."""
        self.answer(await self.tree.write(path, self.number("offset"), self.request.body))

    async def _file(self, path: str) -> Entry:
        entry = await self.tree.lookup(path)
        if entry.kind is Kind.FOLDER:
            raise IsAFolder(f"{path} is a folder; ask /entries{path}?scan for what is in it.")
        wanted = self.request.headers.get("If-Match", "*")
        if wanted not in ("*", f'"{entry.version}"'):
            raise Stale(f"{path} changed since it was looked up; look it up again.")
        return entry

    def _announce(self, entry: Entry) -> None:
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Accept-Ranges", "bytes")
        self.set_header("ETag", f'"{entry.version}"')

    async def _stream(self, entry: Entry, offset: int, length: int, piece: bytes) -> None:
        end = offset + length
        try:
            while True:
                self.write(piece)
                offset += len(piece)
                async with asyncio.timeout(STALLED_S):
                    await self.flush()
                if offset == end:
                    await self.finish()
                    return
                piece = await self.tree.read(entry, offset, min(end - offset, PIECE_BYTES))
        except (DmsError, TimeoutError) as error:
            log.warning("sending %s stopped at byte %d: %s", entry.path, offset, error)
            self.detach().close()
        except StreamClosedError:
            log.debug("the caller of %s left at byte %d", entry.path, offset)
